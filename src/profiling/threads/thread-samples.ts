import type { ThreadNames } from '../../sampling/native-threads.js';
import { type CreatedWorker, UNNAMED_WORKER } from '../../sampling/worker-creation.js';
import type { SourceSample } from '../custom/profile-source.js';

/** The kernel truncates names to this number of bytes. */
const NAME_LENGTH = 15;

/** Frames of threads whose kernel names are truncated or unclear. */
const SHOWN: Readonly<Record<string, string>> = {
  DelayedTaskSche: '(DelayedTaskScheduler)',
  [UNNAMED_WORKER]: '(worker thread)',
};

/** The frame of threads without a name. */
const UNNAMED = '(native thread)';

/**
 * One sample per thread of the process: worker threads with the stack that created them, others by name.
 *
 * @param names names of the threads that the system lists; undefined if it can't list them
 */
export function threadSamples(
  names: ThreadNames | undefined,
  workers: readonly Pick<CreatedWorker, 'name' | 'stack'>[],
): SourceSample[] {
  const others = new Threads(names);
  const created = names ? workers.filter(({ name }) => others.remove(name)) : workers;
  return [
    { stack: ['(main)'], values: 1 },
    ...created.map(({ name, stack }) => ({
      stack: stack.length > 0 ? stack : [SHOWN[UNNAMED_WORKER]!],
      values: 1,
      labels: { worker: name },
    })),
    ...others.samples(),
  ];
}

/** Native threads except the main one, by name. */
class Threads {
  private readonly counts = new Map<string, number>();
  private readonly unnamed: ReadonlySet<string>;

  constructor({ main, others }: ThreadNames = { main: '', others: [] }) {
    this.unnamed = new Set([main, 'node']);
    for (const name of others) this.add(name, 1);
  }

  /**
   * Removes the thread of a worker: one with its name, or an unnamed one, since some versions of Node don't set names, and none
   * sets them at once.
   *
   * @returns false if there is none: the worker has ended, but Node has not noticed yet
   */
  remove(worker: string): boolean {
    const cut = Buffer.from(worker || UNNAMED_WORKER).toString('utf8', 0, NAME_LENGTH);
    const name = [cut, ...this.unnamed].find((name) => (this.counts.get(name) ?? 0) > 0);
    if (name !== undefined) this.add(name, -1);
    return name !== undefined;
  }

  samples(): SourceSample[] {
    const left = [...this.counts].filter(([, count]) => count > 0);
    return left.map(([name, values]) => ({ stack: [this.frameOf(name)], values }));
  }

  private add(name: string, count: number): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + count);
  }

  private frameOf(name: string): string {
    if (this.unnamed.has(name)) return UNNAMED;
    const own = name.replace(/^node-/, ''); // Node 26 has threads with and without the prefix
    return SHOWN[own] ?? `(${own})`;
  }
}
