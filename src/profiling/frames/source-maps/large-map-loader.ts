import { once } from 'node:events';
import { access } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { Worker, type WorkerOptions } from 'node:worker_threads';
import type { LoadedMap } from './load-map.js';
import { thisFile } from './this-file.js';

/** What it gives where there can be no worker thread. */
export const NO_WORKER = Symbol('no worker');

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

/** Reads maps in a worker thread, which is started when the first one is asked for. */
export class LargeMapLoader {
  private worker: Worker | undefined;
  private ended = new AbortController();

  /** @returns {@link NO_WORKER} if none could be started: in a bundle its file is not there */
  async load(script: string): Promise<LoadedMap | undefined | typeof NO_WORKER> {
    if (!this.worker && !(await this.start())) return NO_WORKER;
    try {
      this.worker!.postMessage(script, []);
      return (await this.answer()) as LoadedMap | undefined;
    } catch {
      await this.stop(); // it ended, on a map that takes more memory than there is: the next map gets a new one
      return undefined;
    }
  }

  async stop(): Promise<void> {
    const { worker } = this;
    this.worker = undefined;
    await worker?.terminate();
  }

  private async start(): Promise<boolean> {
    try {
      const file = await workerFile();
      const worker = new Worker(file, WORKER_OPTIONS);
      this.worker = worker;
      this.ended = new AbortController();
      worker.on('error', () => undefined); // told by the answer that does not come
      worker.once('exit', () => this.ended.abort());
      await this.answer();
      return true;
    } catch {
      await this.stop();
      return false;
    }
  }

  private async answer(): Promise<unknown> {
    const [answer] = (await once(this.worker!, 'message', { signal: this.ended.signal })) as unknown[];
    return answer;
  }
}

/** @throws Error if it is not there, which a worker would tell only later */
async function workerFile(): Promise<URL> {
  const file = thisFile();
  if (file === undefined) throw new Error('unknown place');
  const url = new URL('map-worker.js', file.startsWith('file:') ? file : pathToFileURL(file));
  await access(url);
  return url;
}
