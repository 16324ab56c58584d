import { type NativeThread, otherNativeThreads } from './native-threads.js';
import type { TimeApart } from './sampler.js';
import { processCpuNanos, type ThreadClock } from './thread-clock.js';

const NAME = '(other threads)';

/**
 * Measures what the threads of this process beside the calling one use from here on: libuv's pool, V8's helpers, worker
 * threads.
 */
export class OtherThreads {
  private readonly begin: number;
  private readonly beginByThread: ReadonlyMap<number, number>;
  private readonly seen = new Map<number, NativeThread>();

  /** @param own clock of the calling thread */
  constructor(private readonly own: ThreadClock) {
    this.begin = this.all();
    this.beginByThread = new Map(otherNativeThreads().map(({ id, cpuNanos }) => [id, cpuNanos]));
  }

  /** Notes the threads that there are now: one that ends soon after is known by its name nevertheless. */
  look(): void {
    for (const thread of otherNativeThreads()) this.seen.set(thread.id, thread);
  }

  /** Their CPU time so far, by their names where the system tells these. What has no name stands last. */
  used(): TimeApart[] {
    this.look();
    const all = this.all() - this.begin;
    const named = [...this.usedByName()].map(([name, nanos]) => ({ names: [NAME, name], nanos }));
    const rest = all - named.reduce((sum, { nanos }) => sum + nanos, 0); // of threads that have ended
    return [...named, { names: [NAME], nanos: rest }].filter(({ nanos }) => nanos > 0);
  }

  private all(): number {
    return processCpuNanos() - this.own.read();
  }

  private usedByName(): Map<string, number> {
    const used = new Map<string, number>();
    for (const { id, name, cpuNanos } of this.seen.values()) {
      used.set(name, (used.get(name) ?? 0) + cpuNanos - (this.beginByThread.get(id) ?? 0));
    }
    return used;
  }
}
