// Work of known kinds: the orders from `busy` on do it during a capture in code. What process.cpuUsage says of the same span
// comes with the profile.
import { execSync } from 'node:child_process';
import { pbkdf2 } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { runInThisContext } from 'node:vm';
import * as library from 'nestjs-pprof';
import { announce, serve } from './serve.cjs';

/** CPU time in ms of most kinds, however long it takes: the machine may have more to do. */
const WORK = 1500;

let before;

function start() {
  before = { cpu: process.cpuUsage(), threads: otherThreads() };
  app.get(library.ProfilerService).startCpuProfile();
}

async function stop() {
  const stopped = app.get(library.ProfilerService).stopCpuProfile(); // it stops at once, and makes a profile later
  const usedMs = cpuMs() - sum(before.cpu);
  const threads = otherThreads().map(([name, ms]) => [
    name,
    ms - (Object.fromEntries(before.threads)[name] ?? 0),
  ]);
  const captured = await stopped;
  return {
    usedMs,
    threads: Object.fromEntries(threads),
    profile: (await captured.encode()).toString('base64'),
  };
}

const during = (work) => async () => {
  start();
  await work();
  return stop();
};

const sum = ({ user, system }) => (user + system) / 1000;
const cpuMs = () => sum(process.cpuUsage());

/** CPU time in ms by names of threads, from another file of the kernel than the library reads; in ticks of 10 ms. */
function otherThreads() {
  const byName = new Map();
  for (const id of process.platform === 'linux' ? readdirSync('/proc/self/task') : []) {
    if (id === String(process.pid)) continue;
    const [, name, rest] = /^\d+ \((.*)\) (.*)$/s.exec(readFileSync(`/proc/self/task/${id}/stat`, 'utf8'));
    const [user, system] = rest.split(' ').slice(11, 13).map(Number);
    byName.set(name, (byName.get(name) ?? 0) + (user + system) * 10);
  }
  return [...byName];
}

function burn(ms) {
  let sum = 0;
  for (const until = cpuMs() + ms; cpuMs() < until;)
    for (let i = 0; i < 10_000; i++) sum = (sum * 31 + i) | 0;
  return sum;
}

const ring = Array.from({ length: 5000 });
function litter(ms) {
  for (const until = cpuMs() + ms; cpuMs() < until;) {
    for (let i = 0; i < 100; i++)
      ring[(Math.random() * ring.length) | 0] = { i, list: [i, `${i}`], map: new Map() };
  }
}

async function inTurns(work) {
  for (const until = cpuMs() + WORK; cpuMs() < until;) {
    work(5);
    await turn();
  }
}

/** To start and to stop takes V8's profiler in proportion to the functions that it has compiled. */
let compiled;
function compile() {
  compiled = runInThisContext(`[${'() => 1,'.repeat(60_000)}]`);
  for (const fn of compiled) fn();
}

const app = await serve(library, {
  start,
  stop,
  compile,
  answer: () => ({ cats: Array.from({ length: 50 }, (_, id) => ({ id, name: `cat ${id}` })) }),
  busy: during(() => inTurns(burn)),
  withoutATurn: during(() => burn(WORK)),
  garbage: during(() => inTurns(litter)),
  waits: during(() => execSync('sleep 1')),
  waitsAndWorks: during(async () => {
    for (let i = 0; i < 10; i++) {
      execSync('sleep 0.1');
      burn(WORK / 10);
      await turn();
    }
  }),
  pool: during(() => {
    const hash = promisify(pbkdf2);
    return Promise.all(Array.from({ length: 4 }, () => hash('secret', 'salt', 500_000, 64, 'sha512')));
  }),
});
await announce(app);
