// CPU time per request with tracking of waits: off, on at several rates, and off again.
import { basename, dirname } from 'node:path';
import { pinLoad, pinProblem, pinServer } from './support/cpus.mjs';
import { startLoad } from './support/load.mjs';
import { absentRows, spread } from './support/report.mjs';
import { endAll, Series, startAll, takeTurns } from './support/rounds.mjs';
import { summary } from './support/statistics.mjs';

/** The binaries of Node to measure, separated by colons; the running one if there is no such variable. */
const NODES = (process.env.BENCH_NODES ?? process.execPath).split(':');
const ADAPTERS = { express: 'Express', fastify: 'Fastify' };
const CONNECTIONS = 10;
const WARM_UP = 3000;
const REQUESTS = 300; // in a round
const BLOCK = 5; // rounds in a mode
const ROUNDS = 80;
const NODE_OPTIONS = ['--min-semi-space-size=64', '--max-semi-space-size=64'];

const WITHOUT = 'without';
/** Who serves, and what it does in turns, each for a block of rounds: rates of goroutine and of block. */
const SERVERS = {
  [WITHOUT]: { modes: { 'without the module': [0, 0] } },
  again: { modes: { 'without, in a second process': [0, 0] } },
  disabled: { modes: { 'enabled: false': [0, 0] } },
  unsampled: { modes: { 'off, and no heap sampler': [0, 0] } },
  off: { modes: { 'off, never on': [0, 0] } },
  switched: {
    modes: {
      'off again': [0, 0],
      'goroutine, 1 in 1000': [1000, 0],
      'goroutine, 1 in 16': [16, 0],
      'goroutine, each': [1, 0],
      'block, 1 in 1000': [0, 1000],
      'block, 1 in 16': [0, 16],
      'block, each': [0, 1],
      'both, each': [1, 1],
    },
  },
};

export const title = 'Tracking of waits';

export const how = `A Nest application as in "CPU time per request". Its handler is four \`async\` functions deep and awaits other work three times: some 30 async
resources per request. The figure is the CPU time of the server's process for ${REQUESTS} requests, with the collection of the young garbage
that they produce, in ${ROUNDS} rounds in turns. "Off, never on" has the default options: requests in flight are tracked, and V8's heap sampler is on. "Off, and no
heap sampler" has \`memProfileRate: 0\`. One process changes between the rates, and off again, every ${BLOCK} rounds. Figures are medians. "÷ without" is
the ratio to a process without the module, round by round. "1 in n" means that one \`await\`, or wait, in n is sampled.`;

export async function run(log) {
  const problem = await pinProblem();
  if (problem) log(`waits: servers and load are not pinned to processors, ${problem}`);
  const load = problem ? undefined : await pinLoad();
  const tables = [];
  for (const node of NODES) {
    for (const adapter in ADAPTERS) {
      log(`waits: ${node}, ${adapter}`);
      tables.push(await tableOf(node, adapter, !problem));
    }
  }
  await load?.undo();
  return { tables, comparisons: [] };
}

async function tableOf(node, adapter, isPinned) {
  const failed = new Map();
  const run = { nodeOptions: NODE_OPTIONS, execPath: node };
  const children = await startAll(
    'waits.mjs',
    Object.keys(SERVERS),
    (name) => ({ name, adapter, run }),
    failed,
  );
  const loads = new Map();
  for (const [name, child] of children) {
    if (isPinned) await pinServer(child.pid);
    const load = await startLoad(await child.ask('url'), CONNECTIONS);
    await load.run(WARM_UP);
    loads.set(name, load);
  }
  const costs = new Series();
  await takeTurns(children, ROUNDS, failed, async (name, child, round) => {
    const mode = modeIn(name, round);
    const { modes } = SERVERS[name];
    if (Object.keys(modes).length > 1 && round % BLOCK === 0) {
      await child.ask('enter', modes[mode]);
      await loads.get(name).run(3 * REQUESTS); // past the change
    }
    await child.ask('begin');
    await loads.get(name).run(REQUESTS);
    const micros = (await child.ask('end')) / REQUESTS;
    costs.add(name, mode, micros);
    costs.add(name, round, micros);
  });
  for (const load of loads.values()) load.end();
  await endAll(children);
  return report(node, adapter, costs, failed);
}

/** All modes in their order, then all the other way round, and so on: what becomes faster with time favours none. */
function modeIn(name, round) {
  const modes = Object.keys(SERVERS[name].modes);
  const block = Math.floor(round / BLOCK);
  const at = block % modes.length;
  return modes.at(Math.floor(block / modes.length) % 2 ? -1 - at : at);
}

function report(node, adapter, costs, failed) {
  const columns = ['', 'µs per request', '÷ without'];
  const version = node === process.execPath ? process.version.slice(1) : basename(dirname(dirname(node)));
  const rows = Object.keys(SERVERS)
    .filter((name) => !failed.has(name))
    .flatMap((name) =>
      Object.keys(SERVERS[name].modes).map((mode) => [
        mode,
        spread(summary(costs.of(name, mode))),
        name === WITHOUT ? '–' : spread(againstWithout(costs, name, mode), 2),
      ]),
    );
  return {
    title: `Node ${version}, ${ADAPTERS[adapter]}`,
    columns,
    rows: [...rows, ...absentRows(failed, columns.length)],
  };
}

/** To the process without the module in the same rounds. */
function againstWithout(costs, name, mode) {
  const found = [];
  for (let round = 0; round < ROUNDS; round++) {
    if (modeIn(name, round) !== mode) continue;
    found.push(costs.of(name, round)[0] / costs.of(WITHOUT, round)[0]);
  }
  return summary(found);
}
