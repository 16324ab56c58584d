import { otherThreadNanos, threadName } from './native-threads.js';
import type { TimeApart } from './sampler.js';
import { processCpuNanos, type ThreadClock } from './thread-clock.js';

const NAME = '(other threads)';

interface Thread {
  readonly name: string;
  readonly cpuNanos: number;
}

/**
 * Measures what the threads of this process beside the calling one use from here on: libuv's pool, V8's helpers, worker
 * threads.
 */
export class OtherThreads {
  private readonly begin: number;
  private readonly beginByThread: ReadonlyMap<string, number>;
  private readonly seen = new Map<string, Thread>();

  /** @param own clock of the calling thread */
  constructor(private readonly own: ThreadClock) {
    this.begin = this.all();
    this.beginByThread = otherThreadNanos();
  }

  /** Notes the threads that there are now: one that ends soon after is known by its name nevertheless. */
  look(): void {
    for (const [id, cpuNanos] of otherThreadNanos()) {
      const name = this.seen.get(id)?.name ?? threadName(id); // to read it takes as long as to read the time
      if (name !== undefined) this.seen.set(id, { name, cpuNanos });
    }
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
    for (const [id, { name, cpuNanos }] of this.seen) {
      used.set(name, (used.get(name) ?? 0) + cpuNanos - (this.beginByThread.get(id) ?? 0));
    }
    return used;
  }
}
