'use strict';
// A module that takes time and memory while it is loaded.
const { channel } = require('node:diagnostics_channel');
const { readFileSync } = require('node:fs');

const { BURN_MS, PRINT_BURNT } = process.env;

/** CPU time in ms. */
const BURNS = Number(BURN_MS ?? 300);

/** CPU time of this thread in ms, where the system tells it. */
function cpuMs() {
  if (process.threadCpuUsage) return sumMs(process.threadCpuUsage());
  if (process.platform !== 'linux') return sumMs(process.cpuUsage());
  return Number.parseInt(readFileSync('/proc/thread-self/schedstat', 'utf8'), 10) / 1e6;
}
const sumMs = ({ user, system }) => (user + system) / 1000;

function burnAtBoot() {
  let sum = 0;
  for (const until = cpuMs() + BURNS; cpuMs() < until;)
    for (let i = 0; i < 100_000; i++) sum = (sum * 31 + i) | 0;
  return sum;
}

/** 20 MB in objects of 1 KB, as in hold.cjs. */
function holdAtBoot() {
  const held = [];
  for (let i = 1; i <= 20_480; i++) held.push(BigInt(i) << 8000n);
  return held;
}

const [realBefore, cpuBefore] = [performance.now(), cpuMs()];
burnAtBoot();
if (PRINT_BURNT) console.log(`burnt ${performance.now() - realBefore} ${cpuMs() - cpuBefore}`);
globalThis.heldAtBoot = holdAtBoot();
// As if Node had created a worker thread, which takes long.
channel('worker_threads').publish({ worker: { threadId: -1 } });
