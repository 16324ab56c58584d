// How long the event loop is held: at the start of a capture, at its stop, and while the result is made.
import { rm } from 'node:fs/promises';
import { CONTESTANTS, RUNNING } from './support/contestants.mjs';
import { writeFunctions } from './support/functions.mjs';
import { holdsTable } from './support/holds-table.mjs';
import { endAll, Series, startAll, takeTurns } from './support/rounds.mjs';
import { startSink } from './support/sink.mjs';

const HZ = 1000; // what flame samples at, which has no option for it
const WORKLOAD = { ms: 200, depth: 30 };
const SIZES = [
  { count: 20_000, waves: 3, rounds: 5 },
  { count: 200_000, waves: 2, rounds: 4 },
];
const NAMES = [...Object.keys(CONTESTANTS), ...Object.keys(RUNNING)];
const FIRST = 'first ';

export const title = 'Longest hold of the event loop';

export const how = `Each capture is ${WORKLOAD.ms} ms of work at ${HZ} Hz, with some 200 different stacks of ${WORKLOAD.depth} frames. The Nest
application has 20,000 or 200,000 extra functions that are compiled and live (modules of 500 functions with source maps). A
heartbeat on each turn of the event loop measures how long the loop is held. "Start" is the hold by the call that starts the capture.
"Stop" is the hold by the call that stops it, up to the next turn of the loop. "After" is the longest single hold from then on until the bytes
are complete. On Linux, time in which other processes of the machine kept the thread from running is subtracted. Every contestant gets one turn
of the loop between its stop and its encoding, even if it does not yield itself. "Outside V8" is the part of a hold that is not spent
in the inspector or the native addon, measured in the same capture. "Without GC" is the hold without V8's garbage collections. They take longer the
more objects are live, including the application's. The first capture of a process has its own table: code that has not run yet is
slow, and a service takes few captures.`;

export async function run(log) {
  const sink = await startSink();
  const results = [];
  for (const size of SIZES) results.push(...(await holdsOf(size, sink, log)));
  sink.end();
  return {
    tables: results.map(({ table }) => table),
    comparisons: results.flatMap(({ comparisons }) => comparisons),
  };
}

async function holdsOf({ count, waves, rounds }, sink, log) {
  const series = new Series();
  const failed = new Map();
  const folder = await writeFunctions(count);
  const optionsOf = (name) => ({
    name,
    hz: HZ,
    sink: sink.url,
    functions: { folder, count },
    workload: WORKLOAD,
    run: { nodeOptions: ['--no-flush-bytecode'], cwd: folder }, // they stay compiled; flame writes into its folder
  });
  for (let wave = 0; wave < waves; wave++) {
    log(`holds: ${count} functions, ${wave + 1} of ${waves}`);
    const children = await startAll('holds.mjs', NAMES, optionsOf, failed);
    await takeTurns(children, rounds, failed, async (name, child, round) => {
      await child.ask('record');
      const measured = await child.ask('finish');
      for (const what in measured) series.add(name, (round === 0 ? FIRST : '') + what, measured[what]);
    });
    await endAll(children);
  }
  await rm(folder, { recursive: true });
  return tablesOf(count.toLocaleString('en'), series, failed);
}

function tablesOf(count, series, failed) {
  const common = {
    group: 'holds',
    names: NAMES.filter((name) => !failed.has(name)),
    metrics: ['start', 'stop', 'after'],
    series,
    failed,
  };
  return [
    holdsTable({ ...common, title: `${count} functions`, where: `${count} functions` }),
    holdsTable({
      ...common,
      title: `${count} functions, the first capture of a process`,
      where: `${count} functions, first capture`,
      prefix: FIRST,
    }),
  ];
}
