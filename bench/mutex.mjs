// What finds holds of the event loop: whether it does, and what it costs.
import { costsPerRequest } from './requests.mjs';
import { absentRows, spread } from './support/report.mjs';
import { endAll, Series, startAll, takeTurns } from './support/rounds.mjs';
import { summary } from './support/statistics.mjs';

const NAMES = ['ours (mutex)', 'blocked-at'];
const HOLDS = {
  parseLarge: '`JSON.parse` of 20 MB',
  busyLoop: 'a loop of 200 ms of CPU time',
  copyLarge: 'a copy of 200 MB',
  inImmediate: '500 immediates of 0.4 ms in a row',
  inPromise: '500 promises of 0.4 ms in a row',
};
const HOLD_ROUNDS = 5;

const OURS = 'ours (mutex)';
const SERVERS = {
  without: { modes: { idle: 'without a profiler' } },
  'without, again': {
    modes: { idle: 'without, in a second process', again: 'that process, again' },
  },
  'ours (off)': { modes: { idle: 'ours, mutex was never on' } },
  [OURS]: { modes: { capture: 'ours, mutex on', idle: 'ours, mutex off after it was on' } },
  'blocked-at': { modes: { capture: 'blocked-at, on', idle: 'blocked-at, off after it was on' } },
};
const RIVALS = [
  ['capture', ['blocked-at', 'capture'], 'on'],
  ['idle', ['blocked-at', 'idle'], 'off after it was on'],
];
const ROUNDS = 40;
const STARTS = 2;

export const title = 'What holds the event loop';

export const how = `The profile \`mutex\` and the package \`blocked-at\`, both with a threshold of 50 ms. The first table has the same holds of the event loop
in processes of both, ${HOLD_ROUNDS} times each, in turns. "Reported ÷ took" is the reported time divided by the real time of the hold. "With its
function ÷ took" is the part that is reported at a stack with the function that held the loop. \`blocked-at\` reports the stack that began the
callback, and sees only single callbacks. The other tables have the CPU time per request, measured as in "CPU time per request", in ${ROUNDS} rounds in each of ${STARTS} starts.
V8's profiler, which \`mutex\` uses, runs for two minutes after \`mutex\` is off, so its cost is part of "off after it was on".`;

export async function run(log) {
  const holds = await holdsTable(log);
  const costs = await costsPerRequest(
    { group: 'mutex', servers: SERVERS, ours: OURS, rivals: RIVALS, rounds: ROUNDS, starts: STARTS },
    log,
  );
  return { tables: [holds, ...costs.tables], comparisons: costs.comparisons };
}

async function holdsTable(log) {
  log(`mutex: ${Object.keys(HOLDS).length} holds`);
  const failed = new Map();
  const series = new Series();
  const children = await startAll('mutex.mjs', NAMES, (name) => ({ name }), failed);
  await takeTurns(children, HOLD_ROUNDS, failed, async (name, child) => {
    for (const hold of Object.keys(HOLDS)) {
      const { took, ms, namedMs } = await child.ask('hold', hold);
      series.add(name, `${hold} took`, took);
      series.add(name, `${hold} found`, ms / took);
      series.add(name, `${hold} named`, namedMs / took);
    }
  });
  await endAll(children);
  const columns = ['', 'by', 'took, ms', 'reported ÷ took', 'with its function ÷ took'];
  const present = NAMES.filter((name) => !failed.has(name));
  const figure = (name, what, digits) => spread(summary(series.of(name, what)), digits);
  const rows = Object.entries(HOLDS).flatMap(([hold, words]) =>
    present.map((name) => [
      words,
      name,
      figure(name, `${hold} took`, 0),
      figure(name, `${hold} found`, 2),
      figure(name, `${hold} named`, 2),
    ]),
  );
  return { title: 'The same holds', columns, rows: [...rows, ...absentRows(failed, columns.length)] };
}
