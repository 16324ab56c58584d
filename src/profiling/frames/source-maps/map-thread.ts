import { existsSync } from 'node:fs';
import { Worker, type WorkerOptions } from 'node:worker_threads';
import { ownDirectory } from '../../../own-directory.js';
import { OWN_WORKER, unwatched } from '../../../sampling/worker-creation.js';
import { type HoldMeter, runSliced } from '../../loop.js';
import { type ScriptAnswer, type ScriptQuery, ScriptReader } from './script-reader.js';

/** What the thread is to do: look frames up, or read the map of a script ahead. */
export type Task = ScriptQuery | string;

/** Undefined for a script whose map takes more memory than there is. */
type Answer = ScriptAnswer | undefined;

/** What the worker has been asked for. */
interface Asked {
  /** Takes the answer to the next query. */
  readonly take: (answer: Answer) => void;
  /** There will be no more answers. */
  readonly end: () => void;
}

/**
 * Without what the process was started with: agents that are preloaded have no business in it. Its output, of which
 * there is none, is not joined to the process's, which would open those.
 */
const WORKER_OPTIONS: WorkerOptions = {
  name: OWN_WORKER,
  execArgv: [],
  env: {},
  stdout: true,
  stderr: true,
};

/**
 * Looks frames up in a worker thread, so that a map, however large, neither holds the event loop nor comes into the memory of
 * this thread. Where there can be no worker, as in a bundle, which has no file for it, it is done here: then what the library
 * does is a hold.
 */
export class MapThread {
  private worker: Worker | undefined;
  private asked: Asked | undefined;

  constructor() {
    this.start();
  }

  /** Reads the map of a script before there are frames of it. */
  readAhead(script: string): void {
    this.worker?.postMessage(script satisfies Task, []);
  }

  /** The answers to queries, in their order. */
  async lookUp(queries: readonly ScriptQuery[], holds: HoldMeter): Promise<Answer[]> {
    const answers: Answer[] = [];
    for (let before = -1; answers.length > before && answers.length < queries.length;) {
      before = answers.length;
      if (before > 0) this.start(); // a map was too much for the worker
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

  /** Adds the answers of those queries that it comes to. */
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

/** Undefined where it has no file, or the process may have no worker. */
function startWorker(): Worker | undefined {
  try {
    const file = new URL('profiling/frames/source-maps/map-worker.js', ownDirectory());
    return existsSync(file) ? unwatched(() => new Worker(file, WORKER_OPTIONS)) : undefined;
  } catch {
    return undefined;
  }
}
