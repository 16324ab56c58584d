// Holds of the event loop whose length it measures itself, and a service without any. The process keeps its promises: each
// hold has a function of its own, and everything else that takes long is done before.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as library from 'nestjs-pprof';
import { announce, pprofOptions, serve } from './serve.cjs';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');

const folder = mkdtempSync(join(tmpdir(), 'pprof-mutex-'));
process.once('exit', () => rmSync(folder, { recursive: true }));
const file = join(folder, 'large');
writeFileSync(file, Buffer.alloc(200e6, 'x'));
const json = JSON.stringify(
  Array.from({ length: 330_000 }, (_, i) => ({ id: i, name: `name ${i}`, values: [i, i + 1, i + 2] })),
);

/** What the holds make. */
const kept = [];

function parseLarge() {
  kept.push(JSON.parse(json));
}
/** By CPU time: whoever waits for a CPU holds nothing. */
function loop200() {
  for (const until = cpuMs() + 200; cpuMs() < until;);
}
function readLarge() {
  kept.push(readFileSync(file));
}
/** Half a millisecond or so. */
function inImmediate() {
  for (const until = performance.now() + 0.4; performance.now() < until;);
}
function inPromise() {
  for (const until = performance.now() + 0.4; performance.now() < until;);
}

const inRow = (schedule, callback) => () =>
  new Promise((resolve) => {
    const begin = performance.now();
    for (let i = 1; i <= 500; i++)
      schedule(() => {
        callback();
        if (i === 500) resolve(performance.now() - begin);
      });
  });
const timed = (work) => () => {
  const begin = performance.now();
  work();
  return performance.now() - begin;
};

const HOLDS = {
  parseLarge: timed(parseLarge),
  loop200: timed(loop200),
  readLarge: timed(readLarge),
  inImmediate: inRow(setImmediate, inImmediate),
  inPromise: inRow(async (callback) => callback(await undefined), inPromise),
};
const ROUNDS = 5;

const cpuMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

/** Each hold five times, with rests. Returns how long they were, and the CPU time that the process used in them, in ms. */
async function holds() {
  const lengths = {};
  const cpu = {};
  for (const [name, hold] of Object.entries(HOLDS)) {
    lengths[name] = cpu[name] = 0;
    for (let round = 0; round < ROUNDS; round++) {
      kept.length = 0;
      collect();
      await sleep(100);
      const before = cpuMs();
      lengths[name] += await hold();
      cpu[name] += cpuMs() - before;
      await sleep(100);
    }
  }
  kept.length = 0;
  return { lengths, cpu };
}

/** What a request of a healthy service does. */
function request() {
  for (const until = performance.now() + 0.2; performance.now() < until;);
}

/** How many of a thousand logged objects are alive a second later. */
async function logged() {
  const refs = [];
  for (let i = 0; i < 1000; i++) {
    const object = { number: i };
    refs.push(new WeakRef(object));
    console.log(object);
    if (i % 100 === 0) await turn();
  }
  await sleep(1000);
  collect();
  return { logged: refs.length, alive: refs.filter((ref) => ref.deref()).length };
}

const { THRESHOLD = '50' } = process.env;
const options = { ...pprofOptions(), mutexProfileThreshold: Number(THRESHOLD) };
await announce(await serve(library, { holds, request, logged }, options));
