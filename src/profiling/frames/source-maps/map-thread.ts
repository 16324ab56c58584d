import { existsSync } from 'node:fs';
import { Worker, type WorkerOptions } from 'node:worker_threads';
import { ownDirectory } from '../../../own-directory.js';
import { OWN_WORKER, unwatched } from '../../../sampling/worker-creation.js';
import { type HoldMeter, runSliced } from '../../loop.js';
import { type ScriptAnswer, type ScriptQuery, ScriptReader } from './script-reader.js';

/** A task for the thread: look up frames, or read the map of a script ahead. */
export type Task = ScriptQuery | string;

/** Undefined for a script whose map is too large for the memory. */
type Answer = ScriptAnswer | undefined;

/** The query that the worker is processing. */
interface Asked {
  /** Receives the answer to the next query. */
  readonly take: (answer: Answer) => void;
  /** Called when there will be no more answers. */
  readonly end: () => void;
}

/**
 * Without the process's flags and environment, so that preloaded agents don't run in it. Its output is not connected to the
 * process's, since that would open these streams.
 */
const WORKER_OPTIONS: WorkerOptions = {
  name: OWN_WORKER,
  execArgv: [],
  env: {},
  stdout: true,
  stderr: true,
};

/**
 * Looks up frames in a worker thread, so that large maps don't hold the event loop and aren't in this thread's memory. If there can
 * be no worker, for example because a bundle lacks its file, it runs in this thread: then parsing a map holds the event loop.
 */
export class MapThread {
  private worker: Worker | undefined;
  private asked: Asked | undefined;

  constructor() {
    this.start();
  }

  /** Reads the map of a script before its frames are looked up. */
  readAhead(script: string): void {
    this.worker?.postMessage(script satisfies Task, []);
  }

  /** Answers queries, in order. */
  async lookUp(queries: readonly ScriptQuery[], holds: HoldMeter): Promise<Answer[]> {
    const answers: Answer[] = [];
    for (let before = -1; answers.length > before && answers.length < queries.length;) {
      before = answers.length;
      if (before > 0) this.start(); // the worker ran out of memory
      await this.lookUpInWorker(queries.slice(before), answers, holds);
    }
    for (const query of queries.slice(answers.length)) {
      answers.push(await runSliced(new ScriptReader().answer(query), holds));
    }
    return answers;
  }

  /** Ends the thread. */
  async close(): Promise<void> {
    await this.worker?.terminate();
  }

  private start(): void {
    const worker = startWorker();
    this.worker = worker;
    worker?.on('message', (answer: ScriptAnswer) => this.asked?.take(answer));
    worker?.on('error', ({ code }: NodeJS.ErrnoException) => {
      if (code === 'ERR_WORKER_OUT_OF_MEMORY') this.asked?.take(undefined);
    });
    worker?.on('exit', () => {
      this.worker = undefined;
      this.asked?.end();
    });
  }

  /** Adds the answers that the worker returns before it ends. */
  private async lookUpInWorker(
    queries: readonly ScriptQuery[],
    answers: Answer[],
    holds: HoldMeter,
  ): Promise<void> {
    const { worker } = this;
    if (!worker) return;
    const count = answers.length + queries.length;
    const over = new Promise<void>((end) => {
      this.asked = {
        end,
        take(answer) {
          if (answers.push(answer) === count) end();
        },
      };
    });
    await runSliced(posted(worker, queries), holds);
    await over;
  }
}

function* posted(worker: Worker, queries: readonly ScriptQuery[]): Generator<void> {
  for (const query of queries) {
    yield;
    worker.postMessage(query satisfies Task, []);
  }
}

/** Undefined if its file is missing, or the process must not create workers. */
function startWorker(): Worker | undefined {
  try {
    const file = new URL('profiling/frames/source-maps/map-worker.js', ownDirectory());
    return existsSync(file) ? unwatched(() => new Worker(file, WORKER_OPTIONS)) : undefined;
  } catch {
    return undefined;
  }
}
