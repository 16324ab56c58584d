import { CpuClockReader, nowMicros } from './cpu-readings.js';
import type { Measured } from './inspector-cpu-samples.js';
import { OtherThreads } from './other-threads.js';
import type { ThreadClock } from './thread-clock.js';

/** Measures what V8's samples are weighed by. */
export class CpuMeasure {
  private readonly beginMicros = nowMicros();
  private readonly beginNanos: number;
  private readonly others: OtherThreads;
  private reader: CpuClockReader | undefined;

  constructor(private readonly clock: ThreadClock) {
    this.others = new OtherThreads(clock);
    this.beginNanos = clock.read();
  }

  started(): void {
    this.reader = new CpuClockReader(this.clock);
  }

  stopping(): void {
    this.reader!.stop();
    this.others.look(); // V8's own sampling thread ends with the profile
  }

  stopped(): Measured {
    const endNanos = this.clock.read();
    const { beginMicros, beginNanos } = this;
    return { beginMicros, beginNanos, endNanos, readings: this.reader!, others: this.others.used() };
  }

  free(): void {
    this.reader?.stop();
    this.clock.close();
  }
}
