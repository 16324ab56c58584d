// What an execution trace costs, ours and Node's own: CPU time per request, holds of the event loop, memory, bytes.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pinLoad, pinProblem, pinServer } from './support/cpus.mjs';
import { startLoad } from './support/load.mjs';
import { absentRows, spread } from './support/report.mjs';
import { endAll, Series, startAll, takeTurns } from './support/rounds.mjs';
import { summary } from './support/statistics.mjs';

/** The binaries of Node to measure, separated by colons; the running one if there is no such variable. */
const NODES = (process.env.BENCH_NODES ?? process.execPath).split(':');
const ADAPTERS = { express: 'Express', fastify: 'Fastify' };
const CONNECTIONS = 10;
const NODE_OPTIONS = ['--min-semi-space-size=64', '--max-semi-space-size=64'];
const MB = 2 ** 20;

/**
 * Handlers, by how often they await. Of a trace, the cost of its first `requests` is measured, and of as many after `skipped`
 * others: V8 has to optimize code anew after promise hooks have begun.
 */
const HANDLERS = {
  none: { awaits: 0, requests: 300, skipped: 3000 },
  few: { awaits: 3, requests: 200, skipped: 2000 },
  many: { awaits: 20, requests: 100, skipped: 1000 },
};
const WARM_UP = 2000;
const ROUNDS = 3;

const WITHOUT = 'without';
/** Processes: the application in them, and what they do by turns, in each round another one. */
const SERVERS = {
  [WITHOUT]: { app: 'plain', modes: { off: 'without the module' } },
  again: { app: 'plain', modes: { off: 'without, in a second process' } },
  never: { app: 'ours', modes: { off: 'no trace, never one' } },
  ours: {
    app: 'ours',
    modes: { go: 'trace', json: 'trace, `format=json`', off: "no trace, after one: V8's profiler is warm" },
  },
  cold: { app: 'cold', modes: { go: "trace, `warm: 'off'`", off: "no trace, after one, `warm: 'off'`" } },
  unsampled: { app: 'unsampled', modes: { go: 'trace without CPU samples' } },
  empty: { app: 'plain', modes: { empty: '`async_hooks` that do nothing' } },
  all: { app: 'plain', modes: { all: 'NodeTracing' } },
  hooks: { app: 'plain', modes: { hooks: 'NodeTracing, `node.async_hooks` alone' } },
  allToFile: { app: 'plain', modes: { allToFile: 'trace_events' } },
  hooksToFile: { app: 'plain', modes: { hooksToFile: 'trace_events, `node.async_hooks` alone' } },
};

const HOLDS = {
  off: { app: 'plain', mode: 'off', label: 'no trace' },
  go: { app: 'ours', mode: 'go', label: 'trace' },
  json: { app: 'ours', mode: 'json', label: 'trace, `format=json`' },
  cold: { app: 'cold', mode: 'go', label: "trace, `warm: 'off'`" },
  unsampled: { app: 'unsampled', mode: 'go', label: 'trace without CPU samples' },
  all: { app: 'plain', mode: 'all', label: 'NodeTracing' },
  hooks: { app: 'plain', mode: 'hooks', label: 'NodeTracing, `node.async_hooks` alone' },
};
const HOLD_MS = 1000;
const HOLD_WAVES = 3;
const HOLD_ROUNDS = 3;

const MEMORY_SECONDS = 30;
const TRACES = 100;
const TRACE_SECONDS = 0.2;
const EVENTS_ROUNDS = 5;

export const title = 'Execution trace';

export const how = `A Nest application with three handlers, which await nothing, ${HANDLERS.few.awaits} and ${HANDLERS.many.awaits} times (alternately another turn of the event loop and a timer of 1 ms), over
${CONNECTIONS} keep-alive connections at full load. The figure is the CPU time of the server's whole process per request, in ${ROUNDS} rounds in turns, each with
its own trace. It is measured for the first ${HANDLERS.none.requests}, ${HANDLERS.few.requests} and ${HANDLERS.many.requests} requests of a trace, for as many requests after ${HANDLERS.none.skipped}, ${HANDLERS.few.skipped} and ${HANDLERS.many.skipped} others, and
for the end of the trace, in ms. When promise hooks begin, V8 has to optimize code again, so the first requests of any trace take longer. Ours writes to a
stream that drops the data. NodeTracing is Node's own trace, read by the inspector, with the categories \`node.async_hooks\`, \`v8\`, \`node.http\`, \`node.net.native\`, \`node.dns.native\`,
\`node.fs.async\`, \`node.threadpoolwork.async\` and \`devtools.timeline\`. trace_events is the same into a file. Figures are medians and quartiles. "More" and "÷ without" compare later requests with
the process without the module, round by round. Holds are the longest hold of the event loop at the start of a trace, during ${HOLD_MS / 1000} s of load on the handler with ${HANDLERS.few.awaits} awaits, and
at its end. The first trace of a process has its own table.`;

export async function run(log) {
  const problem = await pinProblem();
  if (problem) log(`trace: servers and load are not pinned to processors, ${problem}`);
  const load = problem ? undefined : await pinLoad();
  const cwd = await mkdtemp(join(tmpdir(), 'nestjs-pprof-bench-')); // Node's own writes into it
  const tables = [];
  for (const node of NODES) {
    const on = { node, cwd, isPinned: !problem, log };
    for (const adapter in ADAPTERS) tables.push(...(await costs(adapter, on)));
    tables.push(...(await holds(on)), await writing(on), await memory(on), await manyTraces(on));
  }
  await load?.undo();
  await rm(cwd, { recursive: true });
  return { tables, comparisons: [] };
}

/** Starts a process for each name, on its processor. */
async function start(names, appOf, adapter, { node, cwd, isPinned }, failed) {
  const run = { nodeOptions: NODE_OPTIONS, execPath: node, cwd };
  const optionsOf = (name) => ({ name: appOf(name), adapter, run });
  const children = await startAll('trace.mjs', names, optionsOf, failed);
  for (const child of children.values()) if (isPinned) await pinServer(child.pid);
  return children;
}

function versionOf(node) {
  return node === process.execPath ? process.version.slice(1) : basename(dirname(dirname(node)));
}

async function costs(adapter, on) {
  on.log(`trace: costs, ${on.node}, ${adapter}`);
  const failed = new Map();
  const children = await start(Object.keys(SERVERS), (name) => SERVERS[name].app, adapter, on, failed);
  const tables = [];
  for (const handler in HANDLERS) {
    const series = new Series();
    await takeTurns(children, ROUNDS, failed, async (name, child, round) => {
      const load = await startLoad(`${await child.ask('url')}/${handler}`, CONNECTIONS);
      if (round === 0) await load.run(WARM_UP);
      for (const mode in SERVERS[name].modes) {
        const cost = await costOf(child, load, mode, HANDLERS[handler]);
        for (const what in cost) series.add(name, `${mode} ${what}`, cost[what]);
      }
      load.end();
    });
    tables.push(costsTable(handler, adapter, on.node, series, failed));
  }
  await endAll(children);
  return tables;
}

async function costOf(child, load, mode, { requests, skipped }) {
  const measured = async () => {
    await child.ask('begin');
    await load.run(requests);
    return (await child.ask('end')) / requests;
  };
  await child.ask('start', mode);
  const first = await measured();
  await load.run(skipped);
  const later = await measured();
  return { first, later, end: (await child.ask('stop')) / 1000 };
}

function costsTable(handler, adapter, node, series, failed) {
  const columns = ['', 'first requests, µs', 'later, µs', 'more, µs', '÷ without', 'end, ms'];
  const without = series.of(WITHOUT, 'off later');
  const rows = Object.entries(SERVERS).flatMap(([name, { modes }]) =>
    Object.keys(modes)
      .filter((mode) => series.of(name, `${mode} end`).length > 0)
      .map((mode) => {
        const [first, later, end] = ['first', 'later', 'end'].map((what) =>
          series.of(name, `${mode} ${what}`),
        );
        const against = (compare) =>
          name === WITHOUT
            ? undefined
            : summary(later.map((micros, round) => compare(micros, without[round])));
        return [
          modes[mode] + (failed.has(name) ? ' (until its process crashed)' : ''),
          spread(summary(first), 0),
          spread(summary(later), 0),
          shown(
            against((micros, others) => micros - others),
            0,
          ),
          shown(
            against((micros, others) => micros / others),
            2,
          ),
          mode === 'off' ? '–' : spread(summary(end), 0),
        ];
      }),
  );
  return {
    title: `CPU time per request, ${HANDLERS[handler].awaits} awaits, Node ${versionOf(node)}, ${ADAPTERS[adapter]}`,
    columns,
    rows: [...rows, ...unmeasured(failed, (name) => nothingOf(series, name), columns)],
  };
}

const nothingOf = (series, name) =>
  Object.keys(SERVERS[name].modes).every((mode) => series.of(name, `${mode} end`).length === 0);

function shown(values, digits) {
  return values ? spread(values, digits) : '–';
}

function unmeasured(failed, isMissing, columns) {
  return absentRows(
    [...failed].filter(([name]) => isMissing(name)),
    columns.length,
  );
}

async function holds(on) {
  const failed = new Map();
  const series = new Series();
  for (let wave = 0; wave < HOLD_WAVES; wave++) {
    on.log(`trace: holds, ${on.node}, ${wave + 1} of ${HOLD_WAVES}`);
    const children = await start(Object.keys(HOLDS), (name) => HOLDS[name].app, 'express', on, failed);
    await takeTurns(children, HOLD_ROUNDS, failed, async (name, child, round) => {
      const load = await startLoad(`${await child.ask('url')}/few`, CONNECTIONS);
      await load.run(HANDLERS.few.requests);
      const held = { start: await child.ask('holdAtStart', HOLDS[name].mode) };
      const [during] = await Promise.all([child.ask('holdWhile', HOLD_MS), loadFor(load, HOLD_MS)]);
      held.during = during;
      held.stop = await child.ask('holdAtStop');
      load.end();
      for (const what in held) series.add(name, (round === 0 ? 'first ' : '') + what, held[what]);
    });
    await endAll(children);
  }
  return [
    holdsTable('the first trace of a process', 'first ', series, failed, on.node),
    holdsTable('later traces', '', series, failed, on.node),
  ];
}

async function loadFor(load, ms) {
  const until = performance.now() + ms;
  while (performance.now() < until) await load.run(CONNECTIONS * 2);
}

function holdsTable(which, prefix, series, failed, node) {
  const columns = ['', 'start, ms', 'during, ms', 'end, ms'];
  const rows = Object.keys(HOLDS)
    .filter((name) => series.of(name, `${prefix}stop`).length > 0)
    .map((name) => [
      HOLDS[name].label,
      ...['start', 'during', 'stop'].map((what) => spread(summary(series.of(name, prefix + what)))),
    ]);
  return {
    title: `Longest hold of the event loop, ${which}, Node ${versionOf(node)}`,
    columns,
    rows: [...rows, ...unmeasured(failed, (name) => series.of(name, `${prefix}stop`).length === 0, columns)],
  };
}

/** Of the events of a trace: how many, how long it takes to write them, how much that gives. */
async function writing(on) {
  on.log(`trace: writing, ${on.node}`);
  const columns = ['', 'events per request', 'events per second', 'bytes per event', 'bytes per request'];
  const children = await start(Object.keys(HANDLERS), () => 'ours', 'express', on, new Map());
  const rows = [];
  for (const [handler, child] of children) {
    const { awaits, requests } = HANDLERS[handler];
    const load = await startLoad(`${await child.ask('url')}/${handler}`, CONNECTIONS);
    await child.ask('keep');
    await load.run(requests);
    await child.ask('stop');
    load.end();
    for (const format of ['go', 'json']) {
      const written = [];
      for (let i = 0; i < EVENTS_ROUNDS; i++) written.push(await child.ask('write', format));
      const [{ events, bytes }] = written;
      rows.push([
        `${awaits} awaits, ${format}`,
        (events / requests).toFixed(0),
        spread(summary(written.map(({ ms }) => events / (ms / 1000))), 0),
        (bytes / events).toFixed(1),
        (bytes / requests).toFixed(0),
      ]);
    }
  }
  await endAll(children);
  return { title: `Writing, Node ${versionOf(on.node)}`, columns, rows };
}

/** Memory of a trace under load, and after it. */
async function memory(on) {
  const columns = ['', 'RSS before, MB', 'at most', 'after', 'heap used before', 'after'];
  const failed = new Map();
  const children = await start(Object.keys(HOLDS), (name) => HOLDS[name].app, 'express', on, failed);
  const rows = [];
  await takeTurns(children, 1, failed, async (name, child) => {
    on.log(`trace: memory, ${on.node}, ${name}`);
    const load = await startLoad(`${await child.ask('url')}/few`, CONNECTIONS);
    await loadFor(load, 5000);
    const before = await child.ask('memory');
    await child.ask('start', HOLDS[name].mode);
    let most = 0;
    const until = performance.now() + MEMORY_SECONDS * 1000;
    while (performance.now() < until) {
      await loadFor(load, 500);
      most = Math.max(most, await child.ask('rss'));
    }
    load.end();
    await child.ask('stop');
    most = Math.max(most, await child.ask('rss'));
    const after = await child.ask('memory');
    rows.push([
      HOLDS[name].label,
      ...[before.rss, most, after.rss, before.heapUsed, after.heapUsed].map((bytes) =>
        (bytes / MB).toFixed(1),
      ),
    ]);
  });
  await endAll(children);
  return {
    title: `Memory, ${MEMORY_SECONDS} s of load, Node ${versionOf(on.node)}`,
    columns,
    rows: [...rows, ...absentRows(failed, columns.length)],
  };
}

/** By HTTP; the client of every second one leaves early. */
async function manyTraces(on) {
  on.log(`trace: ${TRACES} traces, ${on.node}`);
  const columns = ['traces', 'RSS, MB', 'heap used, MB'];
  const children = await start(['ours'], () => 'ours', 'express', on, new Map());
  const child = children.get('ours');
  const url = await child.ask('url');
  const load = await startLoad(`${url}/few`, CONNECTIONS);
  const rows = [];
  for (let i = 0; i <= TRACES; i++) {
    if (i % (TRACES / 4) === 0) {
      const { rss, heapUsed } = await child.ask('memory');
      rows.push([String(i), (rss / MB).toFixed(1), (heapUsed / MB).toFixed(2)]);
    }
    await Promise.all([oneTrace(url, i % 2 === 1), load.run(100)]);
  }
  load.end();
  await endAll(children);
  return {
    title: `Memory after ${TRACES} traces, half of them cut off, Node ${versionOf(on.node)}`,
    columns,
    rows,
  };
}

async function oneTrace(url, isCutOff) {
  const signal = isCutOff ? AbortSignal.timeout(TRACE_SECONDS * 500) : undefined;
  try {
    const reply = await fetch(`${url}/debug/pprof/trace?seconds=${TRACE_SECONDS}`, { signal });
    await reply.arrayBuffer();
  } catch (error) {
    if (!isCutOff) throw error;
    await sleep(TRACE_SECONDS * 1000); // the server notices, and ends it
  }
}
