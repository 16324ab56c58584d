// Live compiled functions: modules of 500 functions each, with source maps as a Nest application has them.
import { mkdtemp, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { now } from './clock.mjs';

const PER_MODULE = 500;
const CALLBACK_MS = 0.5;
const require = createRequire(import.meta.url);

/** Writes modules with `count` functions; the answer is their folder. */
export async function writeFunctions(count) {
  const folder = await mkdtemp(join(tmpdir(), 'nestjs-pprof-bench-'));
  for (let first = 0; first < count; first += PER_MODULE) {
    const file = `service${first / PER_MODULE}`;
    const lines = Array.from({ length: PER_MODULE }, (_, i) => source(first + i));
    await writeFile(
      join(folder, `${file}.js`),
      ['module.exports = (all) => [', ...lines, '];', `//# sourceMappingURL=${file}.js.map`].join('\n'),
    );
    await writeFile(join(folder, `${file}.js.map`), JSON.stringify(sourceMap(file)));
  }
  return folder;
}

/** Loads them and calls each once, which compiles it. */
export function loadFunctions(folder, count) {
  const all = [];
  for (let first = 0; first < count; first += PER_MODULE) {
    all.push(...require(join(folder, `service${first / PER_MODULE}.js`))(all));
  }
  for (const each of all) each(0);
  return all;
}

/**
 * Works for a time: stacks of `depth` functions, each of which calls another one.
 *
 * @param stacks how many different ones
 */
export function work(all, ms, { depth = 30, stacks = all.length } = {}) {
  const until = performance.now() + ms;
  for (let i = 0; performance.now() < until; i++) all[((i * 7919) % stacks) % all.length](depth);
}

/**
 * Works as a service does that answers requests: in callbacks of half a millisecond, between which the event loop waits for
 * one. Each is one of `stacks` stacks, which have all their callers in common.
 */
export class Service {
  /** Time in callbacks so far. */
  workedMs = 0;

  constructor(all, { depth, stacks }) {
    this.all = all;
    this.depth = depth;
    this.stacks = stacks;
  }

  async run(ms) {
    const until = performance.now() + ms;
    for (let i = 0; performance.now() < until; i++) {
      await setTimeout(1);
      const begin = now();
      this.answer(this.depth, this.all[i % this.stacks]);
      this.workedMs += now() - begin;
    }
  }

  answer(depth, innermost) {
    if (depth > 2) return this.answer(depth - 1, innermost);
    const until = performance.now() + CALLBACK_MS;
    while (performance.now() < until) innermost(1);
  }
}

/** Function `i` calls one that `i` and the depth name; the innermost one computes for some microseconds. */
function source(i) {
  return (
    `function generated${i}(depth) { ` +
    `if (depth > 1) return all[(${i} * 31 + depth * 977) % all.length](depth - 1) + 1; ` +
    `let sum = ${i}; for (let n = depth * 2000; n > 0; n--) sum = (sum * 31 + n) | 0; return sum; },`
  );
}

/** Each line is the same line of a TypeScript file. */
function sourceMap(file) {
  return {
    version: 3,
    file: `${file}.js`,
    sources: [`../src/${file}.ts`],
    names: [],
    mappings: `AAAA${';AACA'.repeat(PER_MODULE + 1)}`,
  };
}
