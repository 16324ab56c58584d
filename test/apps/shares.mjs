// Work of known CPU time, most of it in code that V8 has compiled by on-stack replacement before the capture; and objects that
// are logged while V8's profiler is warm.
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as library from 'nestjs-pprof';
import { announce, serve } from './serve.cjs';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');

/** Of this thread, where Node tells that. */
const threadCpuUsage = process.threadCpuUsage ?? process.cpuUsage;
const sum = ({ user, system }) => (user + system) / 1000;
const threadMs = () => sum(threadCpuUsage.call(process));
const processMs = () => sum(process.cpuUsage());

/** In a loop that goes on until `next` says that it is over. */
function hotA(next) {
  let sum = 0;
  for (let round = 0; next[round % next.length](); round++)
    for (let i = 0; i < 1_000_000; i++) sum = (sum * 31 + i) | 0;
  return sum;
}

function hotB(next) {
  let sum = 0;
  for (let round = 0; next[round % next.length](); round++)
    for (let i = 0; i < 1_000_000; i++) sum = (sum * 17 - i) | 0;
  return sum;
}

/** Different functions that do the same: V8 does not inline them, so that what they do the first time changes no code of their caller. */
const inDifferentWays = (next) => [
  () => next(),
  () => next(1),
  () => next(2),
  () => next(3),
  () => next(4),
  () => next(5),
];

/** For so much CPU time. */
const during = (ms) => {
  const until = threadMs() + ms;
  return inDifferentWays(() => threadMs() < until);
};

/** The same, but the CPU time begins in the middle of the loop, when `begin` has been called. */
function fromTheMiddle(warmUpMs, begin, ms) {
  let until = threadMs() + warmUpMs;
  let hasBegun = false;
  return inDifferentWays(() => {
    if (threadMs() < until) return true;
    if (hasBegun) return false;
    hasBegun = true;
    begin();
    until = threadMs() + ms;
    return true;
  });
}

/** The shares are 70 and 30 %. Each function runs in a loop that V8 replaced on the stack before the capture. */
async function replacedOnStack() {
  hotA(during(500));
  await turn();
  hotB(fromTheMiddle(500, () => profiler.startCpuProfile(), 1200));
  hotA(during(2800));
  const captured = await profiler.stopCpuProfile();
  return { profile: (await captured.encode()).toString('base64') };
}

function burst(ms) {
  return hotA(during(ms));
}
function rest(ms) {
  return hotB(during(ms));
}

/** So much CPU time in a function, a piece at each turn of the loop. Returns how much it was. */
async function inTurns(work, ms) {
  let spent = 0;
  while (spent < ms) {
    const before = threadMs();
    work(20);
    spent += threadMs() - before;
    await turn();
  }
  return spent;
}

/** Five seconds of CPU time in `burst`, then two in `rest`; and what the process has used since it listens. */
async function bursts() {
  const burstMs = await inTurns(burst, 5000);
  await inTurns(rest, 2000);
  return { burstMs, usedMs: processMs() - listens };
}

/** How many of a thousand logged objects are alive after a second or so. */
async function logged() {
  const refs = [];
  for (let i = 0; i < 1000; i++) {
    const object = { number: i };
    refs.push(new WeakRef(object));
    console.log(object);
    if (i % 100 === 0) await turn();
  }
  const alive = () => refs.filter((ref) => ref.deref()).length;
  for (const until = performance.now() + 1000; performance.now() < until;) await turn();
  collect();
  return { logged: refs.length, alive: alive() };
}

const app = await serve(library, { replacedOnStack, bursts, logged });
const profiler = app.get(library.ProfilerService);
await announce(app);
const listens = processMs();
