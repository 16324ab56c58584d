// Takes twenty captures and eight traces of itself, half of them given up, and tells what it has open before and after.
import { createHook } from 'node:async_hooks';
import { readdirSync } from 'node:fs';
import { get } from 'node:http';
import { Session } from 'node:inspector';
import { setImmediate as eventLoop } from 'node:timers/promises';
import { promisify } from 'node:util';
import 'reflect-metadata';
import { GuardsConsumer } from '@nestjs/core/guards/guards-consumer.js';
import { InterceptorsConsumer } from '@nestjs/core/interceptors/interceptors-consumer.js';
import { PipesConsumer } from '@nestjs/core/pipes/pipes-consumer.js';

/** How long handles may take to close after the last capture, in ms. */
const PATIENCE = 30_000;

/** Sessions with the inspector, of whoever loads it later. */
let sessions = 0;
const { connect, disconnect } = Session.prototype;
Session.prototype.connect = function () {
  connect.call(this);
  sessions++;
};
Session.prototype.disconnect = function () {
  disconnect.call(this);
  sessions--;
};

/** Hooks of async_hooks that are on, those of AsyncLocalStorage too. */
const hooks = new Set();
const hookMethods = Object.getPrototypeOf(createHook({}));
const { enable, disable } = hookMethods;
hookMethods.enable = function () {
  hooks.add(this);
  return enable.call(this);
};
hookMethods.disable = function () {
  hooks.delete(this);
  return disable.call(this);
};

/** Methods of Nest that are not Nest's own. */
const methods = [GuardsConsumer, InterceptorsConsumer, PipesConsumer].flatMap(({ prototype }) =>
  Object.getOwnPropertyNames(prototype).map((name) => ({ prototype, name, method: prototype[name] })),
);
const replaced = () => methods.filter(({ prototype, name, method }) => prototype[name] !== method).length;

/** Timers that have not ended, also those that keep no process alive. */
const timers = new Set();
for (const kind of ['Timeout', 'Interval']) {
  const [set, clear] = [globalThis[`set${kind}`], globalThis[`clear${kind}`]];
  const watched = (callback, ...rest) => {
    const timer = set(
      (...args) => {
        if (kind === 'Timeout') timers.delete(timer);
        callback(...args);
      },
      ...rest,
    );
    timers.add(timer);
    return timer;
  };
  globalThis[`set${kind}`] = Object.assign(watched, { [promisify.custom]: set[promisify.custom] });
  globalThis[`clear${kind}`] = (timer) => {
    timers.delete(timer);
    clear(timer);
  };
}

const library = await import('nestjs-pprof');
const { announce, pprofOptions, serve } = (await import('./serve.cjs')).default;

/** Those who wait for a capture over HTTP to begin. */
const waiting = [];
const watch = {
  intercept(_, next) {
    waiting.shift()?.();
    return next.handle();
  },
};
const begun = () => new Promise((resolve) => waiting.push(resolve));

const countOf = (directory) => (process.platform === 'linux' ? readdirSync(directory).length : 0);
/** What is open, by its kind: how many. */
function open() {
  const counts = {
    files: countOf('/proc/self/fd'),
    threads: countOf('/proc/self/task'),
    sessions,
    timers: timers.size,
    hooks: hooks.size,
    replaced: replaced(),
  };
  for (const name of process.getActiveResourcesInfo()) {
    if (name !== 'Immediate') counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

/** What the samplers that are always on have open while no capture runs. */
const lasting = { sessions: 0, timers: 0 };
/** The last capture has ended. */
const isQuiet = () => sessions === lasting.sessions && timers.size === lasting.timers;

async function patiently(condition) {
  const until = performance.now() + PATIENCE;
  while (!condition() && performance.now() < until) await eventLoop();
}

/** What there is more of than before. Before, a connection may still have been about to close. */
const added = (before, after) => Object.keys(after).filter((kind) => after[kind] > (before[kind] ?? 0));

const read = (path) =>
  new Promise((resolve, reject) => {
    get(`${url}/debug/pprof/${path}`, { agent: false }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode));
    }).once('error', reject);
  });

/** By a client that goes away when the capture has begun. */
async function giveUp(path) {
  const started = begun();
  const request = get(`${url}/debug/pprof/${path}`, { agent: false }).once('error', () => {});
  const closed = new Promise((resolve) => request.once('close', resolve));
  await started;
  request.destroy();
  await closed;
}

/** A capture in code, as soon as the one before has ended, whose client is gone already. */
async function start(profiler) {
  for (;;) {
    try {
      return profiler.startCpuProfile();
    } catch {
      await eventLoop();
    }
  }
}

async function inCode(profiler, sampler) {
  await start(profiler);
  await profiler.stopCpuProfile();
  const given = new AbortController();
  const captured = profiler.cpuProfile({ seconds: 30, sampler, signal: given.signal });
  setImmediate(() => given.abort());
  await (await captured).encode();
}

/** Five by each sampler of the CPU, and two traces beside each. */
async function takeCaptures() {
  const profiler = app.get(library.ProfilerService);
  for (const sampler of ['pprof', 'inspector']) {
    await inCode(profiler, sampler);
    await giveUp(`profile?seconds=30&sampler=${sampler}`);
    await giveUp('heap?gc=1');
    await read('heap');
    await giveUp('trace?seconds=300');
    while ((await read('trace?seconds=0.01')) !== 200); // a client that has gone may not be noticed at once
  }
}

const app = await serve(
  library,
  {
    async captures() {
      await takeCaptures(); // what the first ones leave is there once: threads of V8 and libuv
      await patiently(isQuiet);
      const before = open();
      for (let i = 0; i < 2; i++) await takeCaptures();
      await patiently(() => isQuiet() && added(before, open()).length === 0);
      const after = open();
      return { added: added(before, after), before, after };
    },
  },
  { ...pprofOptions(), interceptors: [watch] },
);
Object.assign(lasting, { sessions, timers: timers.size });
const url = await app.getUrl();
await announce(app);
