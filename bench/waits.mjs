// CPU time per request while nobody looks at what executions wait for, and while `block` and `goroutine` do.
import { findNodes } from './support/nodes.mjs';
import { absentRows, spread } from './support/report.mjs';
import { addCosts, CONNECTIONS, middle, overall, overStarts, rowsOf } from './support/request-costs.mjs';
import { Series } from './support/rounds.mjs';

const ADAPTERS = { express: 'Express', fastify: 'Fastify' };
const PLAN = { warmUp: 6000, blocks: 9, block: 2, requests: 300 };
const STARTS = 3;

const OFF = 0;
const NONE = [];
const INIT = ['init'];
const FOUR = ['init', 'before', 'after', 'promiseResolve'];

/** Who serves, and its modes in the order in which it takes them, in words. A hook that was on leaves something behind. */
const SERVERS = {
  without: { kind: 'nobody', modes: [['always', 'without the module']] },
  again: { kind: 'nobody', modes: [['always', 'without, in a second process']] },
  off: { kind: 'ours', modes: [['always', 'ours, off']] },
  ours: {
    kind: 'ours',
    modes: [
      [OFF, 'ours, off after it was on'],
      [1000, 'ours, 1 in 1000'],
      [16, 'ours, 1 in 16'],
      [1, 'ours, all'],
    ],
  },
  hooks: {
    kind: 'hooks',
    modes: [
      [NONE, 'no hook, after there was one'],
      [INIT, 'one empty hook: `init`'],
      [FOUR, 'the four hooks that ours has, empty'],
    ],
  },
};
const MODES = Object.fromEntries(
  Object.entries(SERVERS).map(([name, { modes }]) => [name, modes.map(([mode]) => mode)]),
);
/** Compared with the four empty hooks. */
const HOOKED = new Set([1000, 16, 1]);

export const title = 'What it costs to know who waits';

export const how = `A Nest application with a handler that awaits a service, which awaits another one: five awaits, the innermost one for a
\`setImmediate\`, and those of Nest and the adapter. It answers with 2 KB of JSON over ${CONNECTIONS} keep-alive connections; the load
comes from another process. Measured is the CPU time of the server's whole process over ${PLAN.requests} requests. "1 in 16" is
\`blockProfileRate\` and \`goroutineProfileRate\` both, set at run time in one process that takes turns with itself; "ours, off" is a
process where they were never on. With ours the heap is sampled besides, as it is by default, by the inspector. No hook is free, so
another process has empty ones in turns; what V8 leaves behind when the last one goes is a row for each. Servers take turns,
in ${STARTS} starts of all processes with ${PLAN.blocks - 1} blocks of ${PLAN.block} rounds that count, which the modes of a process share. A process counts with the
lower quartile of its rounds. In parentheses: the least and the greatest of the ${STARTS} starts. What the two without differ by from
what is between them is the noise.`;

export async function run(log) {
  const nodes = await findNodes(log);
  const tables = [];
  for (const adapter in ADAPTERS) {
    const rows = [];
    for (const node of nodes) rows.push(...(await rowsFor(node, adapter, log)));
    tables.push({
      title: `CPU time per request while waits are told, ${ADAPTERS[adapter]}`,
      columns: COLUMNS,
      rows,
    });
  }
  return { tables, comparisons: [] };
}

const COLUMNS = ['Node', '', 'µs per request', 'it ÷ without', 'above the four empty hooks, µs'];

async function rowsFor({ version, execPath, error }, adapter, log) {
  if (error) return withVersion(version, absentRows(new Map([['all', error]]), COLUMNS.length - 1));
  const costs = new Series();
  const failed = new Map();
  const optionsOf = (name) => ({ kind: SERVERS[name].kind, adapter, run: { execPath } });
  for (let start = 0; start < STARTS; start++) {
    log(`waits: ${adapter}, Node ${version}, ${start + 1} of ${STARTS}`);
    await addCosts({ script: 'waits.mjs', modes: MODES, optionsOf, plan: PLAN, costs, failed });
  }
  const nobody = middle(costs.of('without', 'always'), costs.of('again', 'always'));
  const empty = costs.of('hooks', FOUR);
  const rows = rowsOf(MODES, failed).map(([name, mode]) => {
    const values = costs.of(name, mode);
    return [
      SERVERS[name].modes.find(([each]) => each === mode)[1],
      spread(overall(values)),
      spread(overStarts(values, nobody), 3),
      HOOKED.has(mode) ? spread(overall(values.map((value, start) => value - empty[start]))) : '–',
    ];
  });
  return withVersion(version, [...rows, ...absentRows(failed, COLUMNS.length - 1)]);
}

function withVersion(version, rows) {
  return rows.map((cells) => [version, ...cells]);
}
