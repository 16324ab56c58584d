import { pathToFileURL } from 'node:url';
import { Worker, type WorkerOptions } from 'node:worker_threads';
import { type HoldMeter, runSliced } from '../../loop.js';
import { loadMap, type ScriptMap } from './script-map.js';

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

/** What is done with the map of a script, or with the knowledge that there is none. */
export type Keep = (script: string, map: ScriptMap | undefined) => void;

/**
 * Loads maps that would hold the event loop for long in a worker thread, which has ended when this resolves. Where there
 * can be none, as in a bundle, which has no file for it, it loads them here: then what the library does is a hold.
 */
export async function loadLargeMaps(scripts: string[], keep: Keep, holds: HoldMeter): Promise<void> {
  let left = scripts;
  for (let before = Infinity; left.length > 0 && left.length < before;) {
    before = left.length;
    left = await loadInWorker(left, keep).catch(() => left);
  }
  for (const script of left) keep(script, await runSliced(loadMap(script), holds));
}

/** @returns the scripts that it did not come to, because a map took more memory than there is or because it did not start */
function loadInWorker(scripts: readonly string[], keep: Keep): Promise<string[]> {
  const left = [...scripts];
  return new Promise((resolve) => {
    const worker = new Worker(workerFile(), { ...WORKER_OPTIONS, workerData: scripts });
    worker.on('message', (map: ScriptMap | undefined) => keep(left.shift()!, map));
    worker.on('error', ({ code }: NodeJS.ErrnoException) => {
      if (code === 'ERR_WORKER_OUT_OF_MEMORY') keep(left.shift()!, undefined);
    });
    worker.on('exit', () => resolve(left));
  });
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
