// A service that waits: `POST /<name>` for each wait of waits/waits.ts, four functions deep, and those that do not end by
// themselves. `BLOCK_RATE` and `GOROUTINE_RATE` are its options, `ERRORS` what the application does to `Error`.
import { AsyncLocalStorage, AsyncResource, createHook, executionAsyncId } from 'node:async_hooks';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { PerformanceObserver } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import * as library from 'nestjs-pprof';
import serving from './serve.cjs';
import './typescript/register.cjs';

const { callBack, free, quickly, costOfAwait, hold, settle, startHangs, startWaits } = createRequire(
  import.meta.url,
)('./waits/waits.ts');

const { BLOCK_RATE = '0', ERRORS, GOROUTINE_RATE = '0' } = process.env;

const ERROR_HABITS = {
  throws() {
    Error.prepareStackTrace = () => {
      throw new Error('prepareStackTrace of the application');
    };
  },
  limit: () => void (Error.stackTraceLimit = 0),
  frozen: () => void Object.freeze(Error),
};

const worker = new Worker(new URL('waits/slow-server.cjs', import.meta.url));
const [ports] = await once(worker, 'message');
const waits = await startWaits({ worker, ports });
const { hangs, end } = await startHangs({ worker, ports });

/** What the service measures itself, by name. */
let measured = {};

function note(name, begin) {
  const total = (measured[name] ??= { count: 0, ms: 0 });
  total.count++;
  total.ms += performance.now() - begin;
}

async function measure(name) {
  const waiting = second(waits[name]); // up to the first await
  const begin = performance.now();
  await waiting;
  note(name, begin);
}
async function second(wait) {
  await third(wait);
}
async function third(wait) {
  await wait();
}

/** Side by side, and one after the other. */
async function measureMany(name) {
  const one = async () => {
    for (let i = 0; i < 10; i++) await measure(name);
  };
  await Promise.all(Array.from({ length: 30 }, one));
}

function callback() {
  callBack(() => note('callback', begin));
  const begin = performance.now();
}

const application = new AsyncLocalStorage();

/** Contexts of the application's own, across a wait and a callback. */
async function contexts() {
  const seen = await application.run('mine', async () => {
    await waits.timersPromises();
    const bound = AsyncResource.bind(() => application.getStore());
    return [application.getStore(), application.exit(bound)];
  });
  return { seen, after: application.getStore() ?? null };
}

/** Nobody numbers promises while no hook of `async_hooks` is on. */
async function isHookOn() {
  await Promise.resolve();
  const id = executionAsyncId();
  await Promise.resolve();
  return { isOn: executionAsyncId() !== id };
}

/** V8 compiles an `await` to more code for good once any hook was on. */
async function emptyHook() {
  const hook = createHook({ init() {}, before() {}, promiseResolve() {} }).enable();
  await costOfAwait();
  hook.disable();
}

/** When V8 has called back for all that it has collected. */
const memory = async () => {
  for (let i = 0; i < 4; i++) {
    globalThis.gc();
    await delay(50);
  }
  return { heapUsed: process.memoryUsage().heapUsed, resources: process.getActiveResourcesInfo().length };
};

/** Turns of the event loop while it is watched, and V8's collections: from when to when, and the CPU time of a turn. */
let [isWatched, turns, collections] = [false, [], []];
new PerformanceObserver((list) => {
  for (const { startTime, duration } of list.getEntries())
    collections.push([startTime, startTime + duration]);
}).observe({ entryTypes: ['gc'] });

/** In ms; where Node cannot tell the CPU time of a thread, the time itself, with what other processes take of it. */
function cpuTime() {
  const { user, system } = process.threadCpuUsage?.() ?? { user: 1000 * performance.now(), system: 0 };
  return (user + system) / 1000;
}

function watch() {
  [isWatched, turns, collections] = [true, [], []];
  let [begin, cpu] = [performance.now(), cpuTime()];
  const turn = () => {
    const [end, cpuAtEnd] = [performance.now(), cpuTime()];
    if (end - begin > 1) turns.push({ begin, end, cpu: cpuAtEnd - cpu });
    [begin, cpu] = [end, cpuAtEnd];
    if (isWatched) setImmediate(turn);
  };
  setImmediate(turn);
}

/** The longest turn since `watch`, without V8's collections in it, in ms. */
async function longestTurn() {
  isWatched = false;
  await delay(50); // for what is observed
  const own = turns.map(({ begin, end, cpu }) =>
    collections.reduce((ms, [from, to]) => ms - Math.max(0, Math.min(end, to) - Math.max(begin, from)), cpu),
  );
  return { ms: Math.max(0, ...own) };
}

/** Whether `Error` is as the application has left it. */
let keptErrors = () => true;

const handlers = {
  ...Object.fromEntries(Object.keys(waits).map((name) => [name, () => measure(name)])),
  ...Object.fromEntries(Object.keys(waits).map((name) => [`${name}Often`, () => measureMany(name)])),
  ...hangs,
  end,
  callback,
  contexts,
  costOfAwait: async () => ({ micros: await costOfAwait() }),
  measured() {
    const last = measured;
    measured = {};
    return last;
  },
  hold100000: () => void setImmediate(() => hold(100_000)),
  free,
  settleMany: () => settle(100_000),
  memory,
  watch,
  longestTurn,
  quick: () => quickly(),
  callbackQuick: () => void setTimeout(() => {}, 1),
  emptyHook,
  isHookOn,
  errors: () => ({ kept: keptErrors() }),
  blockOn: () => void profiler.setBlockProfileRate(1),
  on: () => void profiler.setGoroutineProfileRate(1),
  off: () => void profiler.setGoroutineProfileRate(0),
};
const app = await serving.serve(library, handlers, {
  memProfileRate: 0,
  blockProfileRate: Number(BLOCK_RATE),
  goroutineProfileRate: Number(GOROUTINE_RATE),
});
const profiler = app.get(library.ProfilerService);
if (ERRORS) {
  ERROR_HABITS[ERRORS]();
  const { prepareStackTrace, stackTraceLimit } = Error;
  keptErrors = () =>
    Error.prepareStackTrace === prepareStackTrace && Error.stackTraceLimit === stackTraceLimit;
}
await serving.announce(app);
