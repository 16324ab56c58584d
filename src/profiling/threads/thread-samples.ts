import type { ThreadNames } from '../../sampling/native-threads.js';
import { type CreatedWorker, UNNAMED_WORKER } from '../../sampling/worker-creation.js';
import type { SourceSample } from '../custom/profile-source.js';

/** Bytes that the kernel keeps of a name. */
const NAME_LENGTH = 15;

/** Frames of threads whose names in the kernel are cut, or say less. */
const SHOWN: Readonly<Record<string, string>> = {
  DelayedTaskSche: '(DelayedTaskScheduler)',
  [UNNAMED_WORKER]: '(worker thread)',
};

/** The frame of threads without a name. */
const UNNAMED = '(native thread)';

/**
 * The threads of the process, each once: a worker at the stack that created it, any other by its name.
 *
 * @param names of the threads that the system lists; undefined where it lists none
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

/** Native threads but the main one, by their names. */
class Threads {
  private readonly counts = new Map<string, number>();
  private readonly unnamed: ReadonlySet<string>;

  constructor({ main, others }: ThreadNames = { main: '', others: [] }) {
    this.unnamed = new Set([main, 'node']);
    for (const name of others) this.add(name, 1);
  }

  /**
   * Takes the thread of a worker out: one of its name, or one without a name, since not every Node names them, and none at once.
   *
   * @returns false if there is none: the worker has ended, and Node does not know yet
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
    const own = name.replace(/^node-/, ''); // Node 26 has some with its name and some without
    return SHOWN[own] ?? `(${own})`;
  }
}
