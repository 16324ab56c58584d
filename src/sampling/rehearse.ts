import { CpuClockReader } from './cpu-readings.js';
import { OtherThreads } from './other-threads.js';
import { openThreadClock } from './thread-clock.js';

/** Reads all clocks once. The first time takes some milliseconds, which the first capture would hold the event loop for. */
export function rehearse(): void {
  const clock = openThreadClock();
  if (!clock) return;
  const others = new OtherThreads(clock);
  new CpuClockReader(clock).stop();
  others.used();
  clock.close();
}
