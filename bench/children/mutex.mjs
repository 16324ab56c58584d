// Holds the event loop in known ways, while something looks for that.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createContext } from '../support/application.mjs';
import { serveCommands } from '../support/child.mjs';
import { ALL } from '../support/contestants.mjs';

const folder = mkdtempSync(join(tmpdir(), 'nestjs-pprof-bench-'));
const file = join(folder, 'large');
writeFileSync(file, Buffer.alloc(200e6, 'x'));
const text = readFileSync(file);
rmSync(folder, { recursive: true });
const json = JSON.stringify(
  Array.from({ length: 330_000 }, (_, i) => ({ id: i, name: `name ${i}`, values: [i, i + 1, i + 2] })),
);
const kept = [];
const cpuMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

function parseLarge() {
  kept.push(JSON.parse(json));
}
function copyLarge() {
  kept.push(Buffer.from(text));
}
/** By CPU time: whoever waits for a CPU holds nothing. */
function busyLoop() {
  for (const until = cpuMs() + 200; cpuMs() < until;);
}
function inImmediate() {
  for (const until = performance.now() + 0.4; performance.now() < until;);
}
function inPromise() {
  for (const until = performance.now() + 0.4; performance.now() < until;);
}

const timed = (work) => () => {
  const begin = performance.now();
  work();
  return performance.now() - begin;
};
const inRow = (schedule, callback) => () =>
  new Promise((resolve) => {
    const begin = performance.now();
    for (let i = 1; i <= 500; i++)
      schedule(() => {
        callback();
        if (i === 500) resolve(performance.now() - begin);
      });
  });
const HOLDS = {
  parseLarge: timed(parseLarge),
  busyLoop: timed(busyLoop),
  copyLarge: timed(copyLarge),
  inImmediate: inRow(setImmediate, inImmediate),
  inPromise: inRow(async (callback) => callback(await undefined), inPromise),
};

await serveCommands(async ({ name }) => {
  const contestant = await ALL[name].load({});
  const app = await createContext(contestant.imports);
  contestant.ready?.(app);
  contestant.start();
  await sleep(500);
  return {
    /** Holds the loop once: how long it was, and what was found, in ms. */
    async hold(name) {
      kept.length = 0;
      globalThis.gc();
      await sleep(100);
      const before = await contestant.found(name);
      await sleep(50);
      const took = await HOLDS[name]();
      await sleep(100);
      const after = await contestant.found(name);
      const found = Object.fromEntries(Object.keys(after).map((what) => [what, after[what] - before[what]]));
      return { took, ...found };
    },
  };
});
