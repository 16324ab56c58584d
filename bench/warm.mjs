// Captures of a service while V8's profiler is running already, and what it costs that it is.
import { rm } from 'node:fs/promises';
import { ALWAYS, RUNNING } from './support/contestants.mjs';
import { writeFunctions } from './support/functions.mjs';
import { holdsTable } from './support/holds-table.mjs';
import { absentRows, spread } from './support/report.mjs';
import { endAll, Series, startAll, takeTurns } from './support/rounds.mjs';
import { quantile, summary } from './support/statistics.mjs';

const HZ = 100;
const WORKLOAD = { service: true, ms: 2000, depth: 20, stacks: 40 };
const SIZES = [
  { count: 20_000, waves: 2, rounds: 4 },
  { count: 200_000, waves: 2, rounds: 3 },
];
const CAPTURING = [
  'ours (inspector)',
  'ours (pprof)',
  'ours (warm)',
  'node:inspector',
  '@datadog/pprof',
  '@datadog/pprof, restart',
];
const WITHOUT = 'without a profiler';
const IDLE = [WITHOUT, ...Object.keys(ALWAYS)];
const SECONDS = 10;
const FIRST = 'first ';

export const title = 'A profiler that is running already';

export const how = `Captures of ${WORKLOAD.ms / 1000} s at ${HZ} Hz. The service works in callbacks of half a millisecond, with turns of the event loop in between,
and ${WORKLOAD.stacks} stacks of ${WORKLOAD.depth} frames that share their callers. Everything else is measured as in "Longest hold of the event loop". \`ours (warm)\`
has the default options: the first capture starts V8's profiler, which then keeps running for two minutes. Later captures start and
stop while it runs. Peers are compared with \`ours (warm)\`. With restart, \`@datadog/pprof\` begins its next profile when one ends, so only the
first capture has a start. The last tables show the holds while nobody captures. For each of ${SECONDS} seconds of the same service, they have
the longest time between two turns of the loop, minus the service's own work. \`ours (always)\` keeps V8's profiler running from the boot on. It ends a
profile and begins the next every 10 seconds, and every 2 seconds with the flight recorder, which keeps the profiles of the last minute. "In V8" is the
time of these two calls, which run in consecutive turns of the loop.`;

export async function run(log) {
  const results = [];
  for (const size of SIZES) results.push(...(await measure(size, log)));
  return {
    tables: results.map(({ table }) => table),
    comparisons: results.flatMap(({ comparisons = [] }) => comparisons),
  };
}

async function measure({ count, waves, rounds }, log) {
  const captures = { series: new Series(), failed: new Map() };
  const idle = { series: new Series(), failed: new Map() };
  const folder = await writeFunctions(count);
  const optionsOf = (name) => ({
    name,
    hz: HZ,
    functions: { folder, count },
    workload: WORKLOAD,
    run: { nodeOptions: ['--no-flush-bytecode'], cwd: folder },
  });
  const inTurns = async (names, rounds, { failed }, turn) => {
    const children = await startAll('holds.mjs', names, optionsOf, failed);
    await takeTurns(children, rounds, failed, turn);
    await endAll(children);
  };
  for (let wave = 0; wave < waves; wave++) {
    log(`warm: ${count} functions, ${wave + 1} of ${waves}`);
    await inTurns(CAPTURING, rounds, captures, async (name, child, round) => {
      await child.ask('record');
      const measured = await child.ask('finish');
      for (const what in measured)
        captures.series.add(name, (round === 0 ? FIRST : '') + what, measured[what]);
    });
    await inTurns(IDLE, 1, idle, async (name, child) => {
      for (const { hold, native } of await child.ask('serve', SECONDS)) {
        idle.series.add(name, 'hold', hold);
        idle.series.add(name, 'native', native);
      }
    });
  }
  await rm(folder, { recursive: true });
  return tablesOf(`${count.toLocaleString('en')} functions`, captures, idle);
}

function tablesOf(where, { series, failed }, idle) {
  const names = CAPTURING.filter((name) => !failed.has(name));
  const common = { group: 'warm', metrics: ['start', 'stop', 'after'], series, failed };
  return [
    holdsTable({ ...common, names, title: `A service with ${where}`, where, rivalOf }),
    holdsTable({
      ...common,
      names: names.filter((name) => Object.hasOwn(RUNNING, name)),
      title: `A service with ${where}, the first capture of a process`,
      where: `${where}, first capture`,
      prefix: FIRST,
      rivalOf,
    }),
    { table: idleTable(where, idle) },
  ];
}

function rivalOf(name) {
  return name.startsWith('ours') ? undefined : 'ours (warm)';
}

function idleTable(where, { series, failed }) {
  const columns = [
    '',
    'longest hold per second, ms',
    'longest of all, ms',
    'more than without, ms',
    'in V8, ms per second',
  ];
  const median = (name) => quantile(series.of(name, 'hold'), 0.5);
  const rows = IDLE.filter((name) => !failed.has(name)).map((name) => {
    const holds = series.of(name, 'hold');
    return [
      name,
      spread(summary(holds), 2),
      Math.max(...holds).toFixed(2),
      name === WITHOUT ? '–' : (median(name) - median(WITHOUT)).toFixed(2),
      name === WITHOUT ? '–' : spread(summary(series.of(name, 'native')), 2),
    ];
  });
  return {
    title: `No capture, ${where}`,
    columns,
    rows: [...rows, ...absentRows(failed, columns.length)],
  };
}
