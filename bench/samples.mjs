// How long the event loop is held while the result of 100,000 samples is made.
import { rm } from 'node:fs/promises';
import { CONTESTANTS, MADE_UP } from './support/contestants.mjs';
import { writeFunctions } from './support/functions.mjs';
import { holdsTable } from './support/holds-table.mjs';
import { endAll, Series, startAll } from './support/rounds.mjs';
import { startSink } from './support/sink.mjs';

const HZ = 10_000;
const SECONDS = 10;
const STACKS = 5000;
const DEPTH = 30;
const FUNCTIONS = 20_000;
const ROUNDS = 2;
const AT_A_TIME = 2; // recording; the ends are one at a time

/** It samples at 1000 Hz, always. */
const LEFT_OUT = '@platformatic/flame';
const NAMES = [MADE_UP, ...Object.keys(CONTESTANTS).filter((name) => name !== LEFT_OUT)];

export const title = 'Holds for 100,000 samples';

export const how = `${SECONDS} s at ${HZ.toLocaleString('en')} Hz, with work in ${STACKS.toLocaleString('en')} different stacks of ${DEPTH} frames. The API of this module does
not accept that rate, so the benchmark sets it in the sampler. One more row has 100,000 generated samples, each with a stack of its own and without V8.
Measured as in "Longest hold of the event loop", ${ROUNDS} times in one process each, including the first capture. \`${LEFT_OUT}\` is not included, because it
always samples at 1000 Hz.`;

export async function run(log) {
  const sink = await startSink();
  const folder = await writeFunctions(FUNCTIONS);
  const failed = new Map();
  const series = new Series();
  const optionsOf = (name) => ({
    name,
    hz: HZ,
    sink: sink.url,
    functions: { folder, count: FUNCTIONS },
    workload: { ms: name === MADE_UP ? 0 : SECONDS * 1000, depth: DEPTH, stacks: STACKS },
    run: { nodeOptions: ['--no-flush-bytecode'], cwd: folder },
  });
  const children = await startAll('holds.mjs', NAMES, optionsOf, failed);
  for (let round = 0; round < ROUNDS; round++) {
    log(`samples: ${round + 1} of ${ROUNDS}`);
    for (const some of groupsOf([...children], AT_A_TIME)) await capture(some, series, failed);
  }
  await endAll(children);
  sink.end();
  await rm(folder, { recursive: true });
  const { table, comparisons } = holdsTable({
    group: 'samples',
    title: 'Stopping a capture of 100,000 samples',
    where: '100,000 samples',
    names: NAMES.filter((name) => !failed.has(name)),
    metrics: ['stop', 'after'],
    series,
    failed,
  });
  return { tables: [table], comparisons };
}

async function capture(some, series, failed) {
  const orFail = async (name, work) => {
    try {
      if (!failed.has(name)) await work();
    } catch (error) {
      failed.set(name, error.message);
    }
  };
  await Promise.all(some.map(([name, child]) => orFail(name, () => child.ask('record'))));
  for (const [name, child] of some) {
    await orFail(name, async () => {
      const measured = await child.ask('finish');
      for (const what in measured) series.add(name, what, measured[what]);
    });
  }
}

function groupsOf(list, size) {
  return list.length ? [list.slice(0, size), ...groupsOf(list.slice(size), size)] : [];
}
