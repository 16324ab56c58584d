// Busy with hotA and hotB: seven calls in ten are hotA's. It holds as heap.mjs does. `POST /cpu` and `POST /memory` capture in
// code, and answer the same capture in both formats and what `toFile` has written. `POST /workers` starts two worker threads.
// `POST /wait` tracks waits: three that nothing can end, four that `POST /endWaits` ends, and two that are over.
import { executionAsyncId } from 'node:async_hooks';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import * as library from 'nestjs-pprof';
import holders from './hold.cjs';
import { announce, serve } from './serve.cjs';
import spend from './spend.cjs';

function hotA(seed) {
  let sum = seed;
  for (let i = 0; i < 200_000; i++) {
    sum = (sum * 31 + i) | 0; // hot
  }
  return sum;
}

function hotB(seed) {
  let sum = seed;
  for (let i = 0; i < 200_000; i++) {
    sum = (sum * 17 - i) | 0; // hot
  }
  return sum;
}

const seconds = Number(process.env.SECONDS ?? 3);

async function inAllFormats(captured, extension) {
  const directory = await mkdtemp(join(tmpdir(), 'nestjs-pprof-formats-'));
  try {
    const written = [`x.${extension}`, 'x.pb.gz'].map((name) => join(directory, name));
    for (const file of written) await captured.toFile(file);
    const [devToolsFile, pprofFile] = await Promise.all(written.map((file) => readFile(file, 'base64')));
    return {
      pprof: (await captured.encode()).toString('base64'),
      pprofFile,
      devTools: (await captured.encodeAs(extension)).toString(),
      devToolsFile: Buffer.from(devToolsFile, 'base64').toString(),
    };
  } finally {
    await rm(directory, { recursive: true });
  }
}

function startWorkers() {
  const workers = [];
  for (const name of ['thumbnails', 'mail'])
    workers.push(new Worker('setInterval(() => {}, 1e6)', { eval: true, name }));
  return workers.length;
}

async function forget() {
  await new Promise(() => {});
}

async function waitForEnd() {
  await new Promise((resolve) => ends.push(resolve));
}

async function waitShortly() {
  await new Promise((resolve) => setTimeout(resolve, 1));
}

const ends = [];

async function wait() {
  profiler.setGoroutineProfileRate(1);
  profiler.setBlockProfileRate(1);
  for (let i = 0; i < 3; i++) void forget();
  for (let i = 0; i < 4; i++) void waitForEnd();
  for (let i = 0; i < 2; i++) await waitShortly();
}

/** Ends them and their tracking. */
function endWaits() {
  for (const end of ends) end();
  setImmediate(() => {
    profiler.setGoroutineProfileRate(0);
    profiler.setBlockProfileRate(0);
  });
}

/** Node numbers what follows an await only while a hook of `async_hooks` is on. */
async function hook() {
  await Promise.resolve();
  const id = executionAsyncId();
  await Promise.resolve();
  return { isOn: executionAsyncId() !== id };
}

const app = await serve(library, {
  ...holders,
  cpu: async () => inAllFormats(await profiler.cpuProfile({ seconds, hz: 1000 }), 'cpuprofile'),
  memory: async () => inAllFormats(await profiler.heapProfile({ gc: true }), 'heapprofile'),
  workers: startWorkers,
  wait,
  endWaits,
  hook,
});
const profiler = app.get(library.ProfilerService);
await announce(app);
spend([
  { share: 0.7, run: hotA },
  { share: 0.3, run: hotB },
]);
