import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Worker } from 'node:worker_threads';
import { callStack } from './call-stack.js';
import { newestThreadId } from './native-threads.js';
import { processState } from './process-state.js';
import type { RawFrame } from './sampler.js';

/** A worker thread that runs, and who made it. */
export interface WorkerBirth {
  readonly worker: Worker;
  /** Of `new Worker(…)`, innermost first. */
  readonly stack: readonly RawFrame[];
  /** The kernel's number of the thread; undefined where the system does not list them. */
  readonly nativeId: string | undefined;
}

/** Node publishes each worker here before its constructor returns, when its thread has been started. */
const CHANNEL = 'worker_threads';

/** Remembers who made which worker thread, from here on. There is one memory for all. */
export function rememberWorkerBirths(): void {
  const state = processState();
  state.workers ??= { births: new WorkerBirths(), users: 0 };
  state.workers.users++;
}

/** Forgets them, when everybody has who asked for it. */
export function forgetWorkerBirths(): void {
  const state = processState();
  if (!state.workers || --state.workers.users > 0) return;
  state.workers.births.stop();
  state.workers = undefined;
}

/** The worker threads of this thread that run, as far as they were made while somebody remembered. */
export function workerBirths(): WorkerBirth[] {
  return processState().workers?.births.alive() ?? [];
}

/** For how long, in ms, no worker thread has begun or ended, as far as is known. */
export function workersSettledFor(): number {
  return performance.now() - (processState().workers?.births.lastChange ?? 0);
}

/** The memory of this thread: see {@link rememberWorkerBirths}. */
export class WorkerBirths {
  /** Of `performance.now()`. */
  lastChange = performance.now();
  private births: (Omit<WorkerBirth, 'worker'> & { readonly worker: WeakRef<Worker> })[] = [];

  /** In the constructor of a worker. An error from here would not come out of it: Node ends the process. */
  private readonly note = (message: unknown): void => {
    const { worker } = message as { worker: Worker };
    const changed = (): void => void (this.lastChange = performance.now());
    changed();
    worker.once('exit', changed);
    this.alive(); // lets go of the others
    const stack = stackAbove(this.note);
    this.births.push({ worker: new WeakRef(worker), stack, nativeId: newestThreadId() });
  };

  constructor() {
    subscribe(CHANNEL, this.note);
  }

  alive(): WorkerBirth[] {
    const found: WorkerBirth[] = [];
    this.births = this.births.filter(({ worker: ref, stack, nativeId }) => {
      const worker = ref.deref();
      const isAlive = worker !== undefined && worker.threadId !== -1;
      if (isAlive) found.push({ worker, stack, nativeId });
      return isAlive;
    });
    return found;
  }

  stop(): void {
    unsubscribe(CHANNEL, this.note);
  }
}

function stackAbove(listener: (message: unknown) => void): RawFrame[] {
  try {
    return callStack(listener).filter(({ url }) => url !== 'node:diagnostics_channel');
  } catch {
    return []; // someone has frozen Error
  }
}
