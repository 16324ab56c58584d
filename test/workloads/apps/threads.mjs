// Makes worker threads at known places.
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import * as library from 'nestjs-pprof';
import { announce, pprofOptions, serve } from './serve.cjs';

const { EARLY } = process.env;
const workers = [];

/** Ready when it runs: a thread that comes later would be counted in one reading and not in the next. */
async function ready(worker) {
  workers.push(worker);
  await once(worker, 'message');
}

const CODE = `
  require('node:worker_threads').parentPort.postMessage('ready');
  setInterval(() => {}, 1000);
`;

function startPool() {
  return Promise.all([1, 2, 3].map((i) => ready(new Worker(CODE, { eval: true, name: `pool ${i}` }))));
}
function startOne() {
  return ready(new Worker(CODE, { eval: true }));
}

if (EARLY) await startOne(); // before there is a module

const app = await serve(
  library,
  {
    startPool,
    startOne,
    stop: async () => void (await Promise.all(workers.splice(0).map((worker) => worker.terminate()))),
    tasks: () => ({
      tasks: process.platform === 'linux' ? readdirSync('/proc/self/task').length : undefined,
    }),
  },
  pprofOptions(),
);
await announce(app);
