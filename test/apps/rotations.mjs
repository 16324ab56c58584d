// Ten hours of a profiler that is kept warm for a flight recorder: 36,000 rotations, one after the other instead of one a second.
// Prints what each tenth of them took.
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext, runInThisContext } from 'node:vm';
import { RunningProfiler } from '../../dist/esm/sampling/running-profiler.js';

const ROTATIONS = 36_000;

/** What a service of some size has compiled. */
const functions = runInThisContext(`[${'(n) => n + 1,'.repeat(20_000)}]`);
for (const fn of functions) fn(1);

/** So that the samples of a rotation are of different functions. */
const works = runInThisContext(`[${Array.from({ length: 50 }, (_, i) => work(i)).join()}]`);
function work(i) {
  return `function work${i}(n) { let sum = ${i}; for (let j = 0; j < n; j++) sum = (sum * 31 + j) | 0; return sum; }`;
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');

process.stdin.once('end', () => process.exit()).resume(); // whoever started this has gone

// So that a second of real time, and not a minute, is kept: some hundred segments, which is as many as in an hour at most.
const profiler = new RunningProfiler(1000, 1);
/** Of the event loop: to begin one, and to hand out the one before. */
const holds = [];
for (const step of ['rotate', 'handOut']) {
  const method = profiler[step];
  profiler[step] = (...args) => {
    const begin = performance.now();
    method.apply(profiler, args);
    holds.push(performance.now() - begin);
  };
}

async function rotate(times) {
  holds.length = 0;
  for (let i = 0; i < times; i++) {
    works[i % works.length](200_000);
    profiler.rotate(undefined);
    await turn();
    await turn();
  }
}

async function measured() {
  const sorted = holds.toSorted((a, b) => a - b);
  const medianMs = sorted[sorted.length >> 1];
  const p99Ms = sorted[Math.floor(sorted.length * 0.99)];
  for (let i = 0; i < 3; i++) {
    collect();
    await turn();
  }
  const { rss, heapUsed } = process.memoryUsage();
  return { medianMs, p99Ms, rss, heapUsed };
}

await rotate(ROTATIONS / 20); // what V8 compiles of the library is there once
const tenths = [];
for (let i = 0; i < 10; i++) {
  await rotate(ROTATIONS / 10);
  tenths.push(await measured());
}
const until = performance.now() + 1000;
for (let i = 0; performance.now() < until; i++) {
  works[i % works.length](200_000);
  await turn();
}
const { samples } = profiler.recent(1);
let step = samples.next();
while (!step.done) step = samples.next();
profiler.close();
const hits = step.value.hits.reduce((sum, hit) => sum + hit, 0);
console.log(`rotated ${JSON.stringify({ rotations: ROTATIONS, hits, tenths })}`);
process.exit();
