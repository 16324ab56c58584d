// Who held the event loop: known holds, and what it costs to watch for them.
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HOLDS, LARGE_FILE_BYTES } from './support/known-holds.mjs';
import { startLoad } from './support/load.mjs';
import { absentRows, spread } from './support/report.mjs';
import { addCosts, CONNECTIONS, middle, overall, overStarts, rowsOf } from './support/request-costs.mjs';
import { endAll, Series, startAll, takeTurns } from './support/rounds.mjs';
import { ratios, summary } from './support/statistics.mjs';
import { THRESHOLD_MS } from './support/watchers.mjs';

const SCRIPT = 'holders.mjs';
const ROUNDS = 9;
const PLAN = { warmUp: 6000, blocks: 7, block: 3, requests: 300 };
const STARTS = 3;
const TIME_TOLD = 'by what factor the time told is off';
const HEALTHY = { connections: 50, requests: 10_000 };

const OURS = 'ours';
const PEER = 'blocked-at';
const WATCHERS = { [OURS]: 'ours', [PEER]: 'blockedAt' };
/** Who serves, and its modes in words. */
const SERVERS = {
  without: { kind: 'nobody', modes: { always: 'without' } },
  again: { kind: 'nobody', modes: { always: 'without, in a second process' } },
  [OURS]: { kind: WATCHERS[OURS], modes: { off: 'ours, off', on: 'ours, on' } },
  [PEER]: { kind: WATCHERS[PEER], modes: { off: 'blocked-at, off after it was on', on: 'blocked-at, on' } },
};
const MODES = Object.fromEntries(
  Object.entries(SERVERS).map(([name, { modes }]) => [name, Object.keys(modes)]),
);

export const title = 'Who held the event loop';

export const how = `A Nest application (Express) is asked for what holds its event loop, by an \`async\` method of a service that has
awaited something before. It measures itself for how long; next to it is what \`mutex\` and blocked-at tell, both at a threshold
of ${THRESHOLD_MS} ms, in ${ROUNDS} rounds. Named is the innermost function of the application's own in the stack that is told: with
\`mutex\` the stack while the loop was held, with blocked-at the one where what was called back had begun to wait. Whatever else
is told meanwhile counts, in number and in time. A healthy server is in the table too: nothing of it should be told. CPU time is
that of the server's whole process, over ${PLAN.requests} requests of a handler with five awaits, by ${CONNECTIONS} connections, in turns, in
${STARTS} starts of all processes; a process counts with the lower quartile of its rounds, and in parentheses are the least and the
greatest of the starts.`;

export async function run(log) {
  const folder = await mkdtemp(join(tmpdir(), 'nestjs-pprof-bench-'));
  const file = await largeFile(folder);
  const results = [await knownHolds(file, log), await costs(log)];
  await rm(folder, { recursive: true });
  return {
    tables: results.map(({ table }) => table),
    comparisons: results.flatMap(({ comparisons }) => comparisons),
  };
}

/** It has a length and takes no place on the disk. */
async function largeFile(folder) {
  const path = join(folder, 'large');
  const file = await open(path, 'w');
  await file.truncate(LARGE_FILE_BYTES);
  await file.close();
  return path;
}

async function knownHolds(file, log) {
  const failed = new Map();
  const told = new Series();
  const optionsOf = (name) => ({ kind: WATCHERS[name], file });
  const children = await startAll(SCRIPT, Object.keys(WATCHERS), optionsOf, failed);
  for (const child of children.values()) {
    await child.ask('change', 'on');
    await child.ask('told'); // code that has not run yet is slow
  }
  await takeTurns(children, ROUNDS, failed, async (name, child, round) => {
    log(`holders: known holds, ${name}, ${round + 1} of ${ROUNDS}`);
    const origin = await child.ask('origin');
    for (const kind in HOLDS) {
      await child.ask('told'); // what was before is none of it
      const { ms } = await (await fetch(`${origin}/holds/${kind}`)).json();
      told.add(name, kind, { measured: ms, ...(await child.ask('told')) });
    }
  });
  const healthy = new Map();
  for (const [name, child] of children) {
    if (!failed.has(name)) healthy.set(name, await toldOfHealthy(child));
  }
  await endAll(children);
  return holdsReport(told, healthy, failed);
}

async function toldOfHealthy(child) {
  const load = await startLoad(await child.ask('url'), HEALTHY.connections);
  await load.run(HEALTHY.requests / 4); // for the same reason
  await child.ask('told');
  await load.run(HEALTHY.requests);
  load.end();
  return child.ask('told');
}

function holdsReport(told, healthy, failed) {
  const columns = ['', '', 'measured, ms', 'holds told', 'named', 'for, ms', 'it ÷ measured'];
  const names = Object.keys(WATCHERS).filter((name) => !failed.has(name));
  const rows = Object.entries(HOLDS).flatMap(([kind, what]) =>
    names.map((name) => [what, name, ...cellsOf(told.of(name, kind))]),
  );
  const rowsOfHealthy = names.map((name) => {
    const { count, ms, name: holder } = healthy.get(name);
    const cells = count > 0 ? [count, holder, ms.toFixed(1)] : ['nothing', '–', '–'];
    const { requests, connections } = HEALTHY;
    return [
      `${requests.toLocaleString('en')} requests by ${connections} connections`,
      name,
      '–',
      ...cells,
      '–',
    ];
  });
  return {
    comparisons: names.length < 2 ? [] : Object.keys(HOLDS).flatMap((kind) => errorsCompared(told, kind)),
    table: {
      title: 'Known holds',
      columns,
      rows: [...rows, ...rowsOfHealthy, ...absentRows(failed, columns.length)].map((cells) =>
        cells.map(String),
      ),
    },
  };
}

function cellsOf(holds) {
  const measured = spread(summary(holds.map((hold) => hold.measured)));
  const seen = holds.filter(({ count }) => count > 0);
  if (seen.length === 0) return [measured, 'nothing', '–', '–', '–'];
  return [
    measured,
    `${holds.reduce((sum, { count }) => sum + count, 0)} for ${holds.length}`,
    [...new Set(seen.map(({ name }) => `\`${name}\``))].join(', '),
    spread(summary(seen.map(({ ms }) => ms))),
    spread(summary(seen.map(({ ms, measured }) => ms / measured)), 3),
  ];
}

/** Where both have told a hold: by what factor the time is off. */
function errorsCompared(told, kind) {
  const [ours, theirs] = [OURS, PEER].map((name) => told.of(name, kind));
  const both = ours
    .map((hold, round) => [hold, theirs[round]])
    .filter((pair) => pair.every(({ count }) => count > 0));
  if (both.length === 0) return [];
  const ratio = ratios(...[0, 1].map((i) => both.map((pair) => factorOff(pair[i]))));
  return [{ group: 'holders', metric: TIME_TOLD, where: HOLDS[kind], ours: OURS, peer: PEER, ratio }];
}

function factorOff({ ms, measured }) {
  return Math.max(ms / measured, measured / ms);
}

async function costs(log) {
  const costs = new Series();
  const failed = new Map();
  for (let start = 0; start < STARTS; start++) {
    log(`holders: CPU time per request, ${start + 1} of ${STARTS}`);
    await addCosts({ script: SCRIPT, modes: MODES, optionsOf: serverOptions, plan: PLAN, costs, failed });
  }
  return costsReport(costs, failed);
}

function serverOptions(name) {
  return { kind: SERVERS[name].kind };
}

function costsReport(costs, failed) {
  const columns = ['', 'µs per request', 'it ÷ without', 'it ÷ the same, off'];
  const nobody = middle(costs.of('without', 'always'), costs.of('again', 'always'));
  const rows = rowsOf(MODES, failed).map(([name, mode]) => {
    const values = costs.of(name, mode);
    return [
      SERVERS[name].modes[mode],
      spread(overall(values)),
      spread(overStarts(values, nobody), 3),
      mode === 'on' ? spread(overStarts(values, costs.of(name, 'off')), 3) : '–',
    ];
  });
  const ratio = overStarts(costs.of(OURS, 'on'), costs.of(PEER, 'on'));
  const compared = {
    group: 'holders',
    metric: 'CPU time per request',
    where: 'Express',
    ours: OURS,
    peer: PEER,
    ratio,
  };
  return {
    comparisons: failed.has(OURS) || failed.has(PEER) ? [] : [compared],
    table: {
      title: 'CPU time per request while holds are watched for, Express',
      columns,
      rows: [...rows, ...absentRows(failed, columns.length)],
    },
  };
}
