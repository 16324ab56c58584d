import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { Worker, type WorkerOptions } from 'node:worker_threads';
import { type HoldMeter, runSliced } from '../../loop.js';
import { type ScriptAnswer, type ScriptQuery, ScriptReader } from './script-reader.js';

/** What the thread is to do: look frames up, or read the map of a script ahead. */
export type Task = ScriptQuery | string;

/** What becomes of an answer; undefined is that to a query that takes more memory than there is. */
type Take<Q> = (query: Q, answer: ScriptAnswer | undefined) => void;

/** What the worker has been asked for. */
interface Asked {
  /** Takes the answer to the next query. */
  readonly take: (answer: ScriptAnswer | undefined) => void;
  /** There will be no more answers. */
  readonly end: () => void;
}

/**
 * Without what the process was started with: agents that are preloaded have no business in it. Its output, of which
 * there is none, is not joined to the process's, which would open those.
 */
const WORKER_OPTIONS: WorkerOptions = {
  name: 'nestjs-pprof source maps',
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

  /** Gives `take` the answer to each query. */
  async lookUp<Q extends ScriptQuery>(queries: readonly Q[], take: Take<Q>, holds: HoldMeter): Promise<void> {
    let left = [...queries];
    for (let before = Infinity; left.length > 0 && left.length < before;) {
      before = left.length;
      if (before < queries.length) this.start(); // the map of one was too much for the worker
      left = await this.lookUpInWorker(left, take, holds);
    }
    for (const query of left) take(query, await runSliced(new ScriptReader().answer(query), holds));
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

  /** @returns the queries that it did not come to */
  private async lookUpInWorker<Q extends ScriptQuery>(
    queries: readonly Q[],
    take: Take<Q>,
    holds: HoldMeter,
  ): Promise<Q[]> {
    const { worker } = this;
    const left = [...queries];
    if (!worker) return left;
    const over = new Promise<void>((end) => {
      this.asked = {
        end,
        take(answer) {
          take(left.shift()!, answer);
          if (left.length === 0) end();
        },
      };
    });
    await runSliced(posted(worker, queries), holds);
    await over;
    return left;
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
    const file = workerFile();
    return existsSync(file) ? new Worker(file, WORKER_OPTIONS) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * `import.meta` is an error in CommonJS, `__dirname` in an ES module, and this source becomes both; a stack trace says where
 * this file is in either, also if it has a source map.
 *
 * @throws TypeError where it does not: the globals may be frozen
 */
export function workerFile(): URL {
  const { prepareStackTrace, stackTraceLimit } = Error;
  try {
    Error.stackTraceLimit = 1;
    Error.prepareStackTrace = (_error, [callSite]) => callSite?.getFileName();
    const file = new Error('where?').stack!;
    return new URL('map-worker.js', file.startsWith('file:') ? file : pathToFileURL(file));
  } finally {
    Object.assign(Error, { prepareStackTrace, stackTraceLimit });
  }
}
