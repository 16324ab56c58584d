import { nowMicros } from './cpu-readings.js';
import { type NativeThread, otherNativeThreads } from './native-threads.js';
import type { TimeApart } from './sampler.js';
import { processCpuNanos, type ThreadClock } from './thread-clock.js';

const NAME = '(other threads)';

/** CPU times of this process at one time. */
export class ProcessTimes {
  readonly micros = nowMicros();
  /** CPU time of the calling thread. */
  readonly ownNanos: number;
  /** CPU time of all other threads: libuv's pool, V8's helpers, worker threads. */
  readonly othersNanos: number;
  private seen: readonly NativeThread[] | undefined;

  constructor(clock: ThreadClock) {
    this.ownNanos = clock.read();
    this.othersNanos = processCpuNanos() - this.ownNanos;
  }

  /** The other threads individually. Read on the first call, which takes about 20 µs per thread. */
  threads(): readonly NativeThread[] {
    return (this.seen ??= otherNativeThreads());
  }
}

/**
 * CPU time of the other threads between two times, by name if the system reports names. The rest comes last, without a name.
 *
 * @param ended threads that ended right before the second time
 */
export function usedByOthers(
  begin: ProcessTimes,
  end: ProcessTimes,
  ended: readonly NativeThread[] = [],
): TimeApart[] {
  const atBegin = new Map(begin.threads().map(({ id, cpuNanos }) => [id, cpuNanos]));
  const atEnd = new Map([...ended, ...end.threads()].map((thread) => [thread.id, thread]));
  const used = new Map<string, number>();
  for (const { id, name, cpuNanos } of atEnd.values()) {
    used.set(name, (used.get(name) ?? 0) + cpuNanos - (atBegin.get(id) ?? 0));
  }
  const named = [...used].map(([name, nanos]) => ({ names: [NAME, name], nanos }));
  const rest = end.othersNanos - begin.othersNanos - named.reduce((sum, { nanos }) => sum + nanos, 0);
  return [...named, { names: [NAME], nanos: rest }].filter(({ nanos }) => nanos > 0);
}
