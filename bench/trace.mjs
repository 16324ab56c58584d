// The execution trace: how fast it is written, and what a service pays for it, next to Node's own tracing.
import { startLoad } from './support/load.mjs';
import { absentRows, spread } from './support/report.mjs';
import { addCosts, CONNECTIONS, middle, overall, overStarts, rowsOf } from './support/request-costs.mjs';
import { endAll, Series, startAll, takeTurns } from './support/rounds.mjs';
import { summary } from './support/statistics.mjs';

const WRITERS = ['ours, go', 'ours, json', 'JSON.stringify'];
const WRITTEN = { requests: 10_000, rounds: 8 };

const PLAN = { warmUp: 6000, blocks: 9, block: 2, requests: 300 };
const STARTS = 3;
const HOLDS = { rounds: 8, requests: 300 };

const OURS = 'go';
const PEERS = ['NodeTracing', 'NodeTracing, samples'];
/** Who serves, in words: without a trace, and with one. */
const SERVERS = {
  without: { kind: 'nobody', off: 'without the module' },
  again: { kind: 'nobody', off: 'without, in a second process' },
  go: { kind: 'go', off: 'ours, off', on: 'ours, tracing' },
  json: { kind: 'json', off: 'ours, off after `json`', on: 'ours, tracing, `format=json`' },
  NodeTracing: { kind: 'NodeTracing', off: 'NodeTracing, off', on: 'NodeTracing, tracing' },
  'NodeTracing, samples': {
    kind: 'NodeTracing, samples',
    off: 'NodeTracing, off after it had CPU samples',
    on: 'NodeTracing, tracing with CPU samples',
  },
};
const MODES = Object.fromEntries(
  Object.entries(SERVERS).map(([name, { on }]) => [name, on ? ['off', 'on'] : ['off']]),
);

export const title = 'The execution trace';

export const how = `Written: ${WRITTEN.requests.toLocaleString('en')} requests' worth of events, 17 each, ten requests at a time, in memory to bytes, in a process
for each that is warm after its first round; \`JSON.stringify\` makes a line of each event and no more. Traced: the application of "what
it costs to know who waits" (Express, a handler with five awaits) over ${CONNECTIONS} keep-alive connections, each process with its trace off
and on in turns, in ${STARTS} starts of all processes; what is written goes nowhere. NodeTracing is Node's own, by the inspector, with the
categories \`node.async_hooks\`, \`node.http\`, \`node.net.native\`, \`node.dns.native\`, \`node.fs.async\`, \`node.threadpoolwork.async\` and \`v8\`: it gives
events and no trace. Ours has CPU samples of V8's besides; there is one with Node's category for them, too. Measured is the CPU time of the server's whole process. Holds are those of the event loop by the call that starts,
and from the call that stops to the last byte, with ${HOLDS.requests} requests in between.`;

export async function run(log) {
  const comparisons = [];
  log('trace: written');
  const tables = [await writtenTable()];
  tables.push(await costTable(log, comparisons));
  log('trace: holds');
  tables.push(await holdTable(comparisons));
  return { tables, comparisons };
}

function rivals(failed) {
  return failed.has(OURS) ? [] : PEERS.filter((peer) => !failed.has(peer));
}

function optionsOf(name) {
  return { kind: SERVERS[name].kind };
}

async function writtenTable() {
  const failed = new Map();
  const series = new Series();
  const children = await startAll('trace-write.mjs', WRITERS, (name) => ({ name }), failed);
  await takeTurns(children, WRITTEN.rounds, failed, async (name, child, round) => {
    const { ms, bytes, events } = await child.ask('round', WRITTEN.requests);
    if (round === 0) return;
    series.add(name, 'rate', events / ms);
    series.add(name, 'size', bytes / events);
  });
  await endAll(children);
  const columns = ['', 'thousand events a second', 'bytes for an event'];
  const rows = WRITERS.filter((name) => !failed.has(name)).map((name) => [
    name,
    spread(summary(series.of(name, 'rate')), 0),
    summary(series.of(name, 'size')).median.toFixed(1),
  ]);
  return { title: 'Written', columns, rows: [...rows, ...absentRows(failed, columns.length)] };
}

async function costTable(log, comparisons) {
  const costs = new Series();
  const failed = new Map();
  for (let start = 0; start < STARTS; start++) {
    log(`trace: requests, ${start + 1} of ${STARTS}`);
    await addCosts({ script: 'trace.mjs', modes: MODES, optionsOf, plan: PLAN, costs, failed });
  }
  const nobody = middle(costs.of('without', 'off'), costs.of('again', 'off'));
  const columns = ['', 'µs per request', 'it ÷ without', 'above without, µs'];
  const rows = rowsOf(MODES, failed).map(([name, mode]) => {
    const values = costs.of(name, mode);
    return [
      SERVERS[name][mode],
      spread(overall(values)),
      spread(overStarts(values, nobody), 3),
      spread(overall(values.map((value, start) => value - nobody[start]))),
    ];
  });
  for (const peer of rivals(failed)) {
    const ratio = overStarts(costs.of(OURS, 'on'), costs.of(peer, 'on'));
    comparisons.push({
      group: 'trace',
      metric: 'CPU time per request',
      where: 'Express',
      ours: 'ours',
      peer,
      ratio,
    });
  }
  return {
    title: 'CPU time per request while it is traced',
    columns,
    rows: [...rows, ...absentRows(failed, columns.length)],
  };
}

async function holdTable(comparisons) {
  const names = Object.keys(SERVERS).filter((name) => SERVERS[name].on);
  const failed = new Map();
  const series = new Series();
  const children = await startAll('trace.mjs', names, optionsOf, failed);
  await takeTurns(children, HOLDS.rounds, failed, async (name, child, round) => {
    const load = await startLoad(await child.ask('url'), CONNECTIONS);
    await load.run(HOLDS.requests);
    const start = await child.ask('hold', 'on');
    await load.run(HOLDS.requests);
    const stop = await child.ask('hold', 'off');
    load.end();
    if (round === 0) return;
    series.add(name, 'start', start);
    series.add(name, 'stop', stop);
  });
  await endAll(children);
  for (const peer of rivals(failed)) {
    for (const what of ['start', 'stop']) {
      const ours = series.of(OURS, what);
      const theirs = series.of(peer, what);
      const ratio = summary(ours.map((ms, round) => ms / theirs[round]));
      comparisons.push({
        group: 'trace',
        metric: `longest hold, ${what}`,
        where: 'Express',
        ours: 'ours',
        peer,
        ratio,
      });
    }
  }
  const columns = ['', 'start, ms', 'stop, ms'];
  const rows = names
    .filter((name) => !failed.has(name))
    .map((name) => [
      SERVERS[name].on,
      ...['start', 'stop'].map((what) => spread(summary(series.of(name, what)))),
    ]);
  return {
    title: 'Longest hold of the event loop',
    columns,
    rows: [...rows, ...absentRows(failed, columns.length)],
  };
}
