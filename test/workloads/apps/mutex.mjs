// Holds the event loop in known ways. Each order but the last ones answers for how long it did, in ms.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Session, console as inspectorConsole } from 'node:inspector';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as passed } from 'node:timers/promises';
import * as library from 'nestjs-pprof';
import preemptedMs from './preempted.cjs';
import { announce, serve } from './serve.cjs';

const SHORT = 0.4;
const SHORT_CALLBACKS = 500;

const cats = JSON.stringify(
  Array.from({ length: 400_000 }, (_, id) => ({ id, name: `cat ${id}`, tags: ['a'] })),
);

const file = join(tmpdir(), `nestjs-pprof-mutex-${process.pid}`);
writeFileSync(file, Buffer.alloc(300e6));
process.on('exit', () => rmSync(file));

/** Not JSON.parse's or fs's own, so that there is a function of ours to name. */
function parseCats() {
  return JSON.parse(cats).length;
}
function readLargeFile() {
  return readFileSync(file).length;
}

const cpuMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

/** In ms of CPU time: the machine may have more to do. */
function busyLoop(ms) {
  let sum = 0;
  for (const until = cpuMs() + ms; cpuMs() < until;) for (let i = 0; i < 1000; i++) sum = (sum * 31 + i) | 0;
  return sum;
}
function longLoop() {
  return busyLoop(200);
}
function shortCallback() {
  return busyLoop(SHORT);
}

/**
 * In a turn of its own: what the server does with the request itself is no part of it. How long it took, one tells who
 * had to wait.
 */
const held = (work) => async () => {
  await passed(20);
  const [begin, before] = [performance.now(), preemptedMs()];
  const waiting = passed(1).then(() => performance.now() - begin);
  await work();
  const ms = await waiting;
  return { ms, preempted: preemptedMs() - before };
};

const manyImmediates = () =>
  new Promise((resolve) => {
    let left = SHORT_CALLBACKS;
    const one = () => {
      shortCallback();
      if (--left === 0) resolve();
    };
    for (let i = 0; i < SHORT_CALLBACKS; i++) setImmediate(one);
  });

async function manyMicrotasks() {
  for (let i = 0; i < SHORT_CALLBACKS; i++) {
    await Promise.resolve();
    shortCallback();
  }
}

const other = new Session();
const others = [];

const app = await serve(library, {
  parse: held(parseCats),
  loop: held(longLoop),
  file: held(readLargeFile),
  immediates: held(manyImmediates),
  microtasks: held(manyMicrotasks),
  on: () => ({ old: profiler.setMutexProfileThreshold(50) }),
  off: () => ({ old: profiler.setMutexProfileThreshold(0) }),
  cats: () => ({ cats: Array.from({ length: 50 }, (_, id) => ({ id, name: `cat ${id}` })) }),
  /** As DevTools do, and as an application does that profiles itself. */
  otherProfiles() {
    other.connect();
    other.post('Profiler.enable');
    other.on('Profiler.consoleProfileFinished', ({ params }) => others.push(params.title));
    other.post('Profiler.start');
    inspectorConsole.profile();
  },
  otherStops() {
    inspectorConsole.profileEnd();
    let nodes;
    other.post('Profiler.stop', (_, { profile }) => (nodes = profile.nodes));
    other.disconnect();
    return { titles: others, names: nodes.map(({ callFrame }) => callFrame.functionName) };
  },
});
const profiler = app.get(library.ProfilerService);
await announce(app);
