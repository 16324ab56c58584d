// CPU time per request: without a profiler, with one that is idle, and with one that captures.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pinLoad, pinProblem, pinServer } from './support/cpus.mjs';
import { startLoad } from './support/load.mjs';
import { absentRows, spread } from './support/report.mjs';
import { endAll, Series, startAll, takeTurns } from './support/rounds.mjs';
import { startSink } from './support/sink.mjs';
import { summary } from './support/statistics.mjs';

const ADAPTERS = { express: 'Express', fastify: 'Fastify' };
const HZ = 100;
const CONNECTIONS = 10;
const WARM_UP = 10_000;
const REQUESTS = 100; // in a round
const BLOCK = 5; // rounds in a mode
const ROUNDS = 120;
const WAVES = 4;
/** Young garbage is collected at the end of a round, and so never in the middle of some. */
const NODE_OPTIONS = ['--min-semi-space-size=64', '--max-semi-space-size=64'];

const WITHOUT = 'without';
const AGAIN = 'without, again';
const OURS = 'ours (off)';
/**
 * Who serves. `always`: what is on from the start; `modes`: what it does in turns, each for a block of rounds, in words. The
 * first one is idle.
 */
const SERVERS = {
  [WITHOUT]: { modes: { idle: 'without a profiler' } },
  [AGAIN]: { modes: { idle: 'without, in a second process', again: 'that process, again' } },
  [OURS]: {
    modes: {
      idle: "ours, warm: 'off', idle",
      'ours (always)': "ours, warm: 'always', idle",
      'ours (flight recorder)': 'ours, flight recorder',
      capture: "ours, warm: 'off', capturing",
    },
  },
  '@datadog/pprof': {
    always: 'heap',
    modes: { idle: '@datadog/pprof, heap', capture: '@datadog/pprof, heap and capturing' },
  },
  '@pyroscope/nodejs': { always: 'always', modes: { idle: '@pyroscope/nodejs, heap and wall' } },
  '@platformatic/flame': {
    always: 'always',
    modes: { idle: '@platformatic/flame, heap and CPU at 1000 Hz' },
  },
};
/** Who is compared with whom: mode of ours, and server and mode of the peer. */
const RIVALS = [
  ['idle', ['@datadog/pprof', 'idle'], 'idle'],
  ['capture', ['@datadog/pprof', 'capture'], 'capturing'],
  ['ours (flight recorder)', ['@pyroscope/nodejs', 'idle'], 'always on'],
  ['ours (flight recorder)', ['@platformatic/flame', 'idle'], 'always on'],
];

export const title = 'CPU time per request';

export const how = `A Nest application replies with 2 KB of JSON over ${CONNECTIONS} keep-alive connections. The load comes from another process. The figure is the CPU time
of the server's whole process, all its threads, for ${REQUESTS} requests and the collection of the young garbage that they produce. V8's young
generation has 64 MiB, so no collection runs in the middle. All servers run side by side and take turns, in ${ROUNDS} rounds in each of ${WAVES} starts of all
processes. With at least two processors and \`taskset\`, the servers are pinned to one processor and the load to another. A server with
several modes changes its mode every ${BLOCK} rounds. Captures have ${HZ} Hz. All servers except those without a profiler sample the heap, one sample per 512 KiB.
Figures are medians, and in parentheses the lowest and the highest of the ${WAVES} starts. "÷ without" is the ratio to the process without a profiler, round by
round. "÷ the same, idle" is that ratio divided by the ratio of the same process when it is idle. The second process without a profiler shows the
noise, between equal processes and within one process. Starting, stopping and sending captures is not included for any of them.`;

export const run = (log) =>
  costsPerRequest({ group: 'requests', servers: SERVERS, ours: OURS, rivals: RIVALS, rounds: ROUNDS }, log);

/**
 * The CPU time per request of servers that take turns.
 *
 * @param comparison `group`: its name; `servers`: as {@link SERVERS}; `ours` and `rivals`: who is compared with whom;
 *   `rounds`: in each of so many `starts` of all processes
 */
export async function costsPerRequest(comparison, log) {
  const { group, starts = WAVES } = comparison;
  const sink = await startSink();
  const folder = await mkdtemp(join(tmpdir(), 'nestjs-pprof-bench-'));
  const problem = await pinProblem();
  if (problem) log(`${group}: servers and load are not pinned to processors, ${problem}`);
  const load = problem ? undefined : await pinLoad();
  const results = [];
  for (const adapter in ADAPTERS) {
    const waves = [];
    const failed = new Map();
    for (let wave = 0; wave < starts; wave++) {
      log(`${group}: ${adapter}, ${wave + 1} of ${starts}`);
      waves.push(await measure(comparison, { adapter, sink: sink.url, isPinned: !problem }, folder, failed));
    }
    results.push(report(comparison, adapter, waves, failed));
  }
  await load?.undo();
  sink.end();
  await rm(folder, { recursive: true });
  return { tables: results.map(({ table }) => table), comparisons: results.flatMap((r) => r.comparisons) };
}

/** Starts all servers; the answer is what a request takes of each, round by round, in each mode and in whatever mode. */
async function measure({ servers, rounds }, { isPinned, ...options }, cwd, failed) {
  const run = { cwd, nodeOptions: NODE_OPTIONS };
  const optionsOf = (name) => ({ ...options, name, hz: HZ, always: servers[name].always, run });
  const children = await startAll('requests.mjs', Object.keys(servers), optionsOf, failed);
  const loads = new Map();
  for (const [name, child] of children) {
    if (isPinned) await pinServer(child.pid);
    const load = await startLoad(await child.ask('url'), CONNECTIONS);
    await load.run(WARM_UP);
    loads.set(name, load);
  }
  const costs = new Series();
  await takeTurns(children, rounds, failed, async (name, child, round) => {
    const load = loads.get(name);
    const mode = modeIn(servers[name], round);
    if (Object.keys(servers[name].modes).length > 1 && round % BLOCK === 0) {
      await child.ask('enter', mode);
      await load.run(2 * REQUESTS); // past the change
    }
    await child.ask('begin');
    await load.run(REQUESTS);
    const micros = (await child.ask('end')) / REQUESTS;
    costs.add(name, mode, micros);
    costs.add(name, round, micros);
  });
  for (const load of loads.values()) load.end();
  await endAll(children);
  return costs;
}

/** All modes in their order, then all the other way round, and so on: what becomes faster with time favours none. */
function modeIn(server, round) {
  const modes = Object.keys(server.modes);
  const block = Math.floor(round / BLOCK);
  const at = block % modes.length;
  return modes.at(Math.floor(block / modes.length) % 2 ? -1 - at : at);
}

function report(comparison, adapter, waves, failed) {
  const { group, servers, ours: own, rivals } = comparison;
  const columns = ['', 'µs per request', '÷ without', '÷ the same, idle', 'ours ÷'];
  const present = Object.keys(servers).filter((name) => !failed.has(name));
  const comparisons = rivals
    .filter(([, [peer]]) => present.includes(peer) && present.includes(own))
    .map(([mode, [peer, peerMode], metric]) => ({
      group,
      metric,
      where: ADAPTERS[adapter],
      ours: servers[own].modes[mode],
      peer: servers[peer].modes[peerMode],
      ratio: overWaves(waves, (costs) => {
        const [ours, theirs] = [
          againstWithout(comparison, costs, own, mode),
          againstWithout(comparison, costs, peer, peerMode),
        ];
        return ours / theirs;
      }),
    }));
  const rows = present.flatMap((name) =>
    Object.entries(servers[name].modes).map(([mode, label]) => {
      const compared = comparisons.find(({ peer }) => peer === label);
      return [
        label,
        overWaves(waves, (costs) => summary(costs.of(name, mode)).median).median.toFixed(1),
        name === WITHOUT
          ? '–'
          : spread(
              overWaves(waves, (costs) => againstWithout(comparison, costs, name, mode)),
              3,
            ),
        mode === 'idle'
          ? '–'
          : spread(
              overWaves(waves, (costs) => againstIdle(comparison, costs, name, mode)),
              3,
            ),
        compared ? spread(compared.ratio, 3) : '–',
      ];
    }),
  );
  return {
    comparisons,
    table: {
      title: `CPU time per request, ${ADAPTERS[adapter]}`,
      columns,
      rows: [...rows, ...absentRows(failed, columns.length)],
    },
  };
}

/** To the process without a profiler in the same rounds. */
function againstWithout({ servers, rounds }, costs, name, mode) {
  const found = [];
  for (let round = 0; round < rounds; round++) {
    if (modeIn(servers[name], round) !== mode) continue;
    found.push(costs.of(name, round)[0] / costs.of(WITHOUT, round)[0]);
  }
  return summary(found).median;
}

/** To the same process when it is idle; what the machine does meanwhile is in both, and in the process without a profiler. */
function againstIdle(comparison, costs, name, mode) {
  return againstWithout(comparison, costs, name, mode) / againstWithout(comparison, costs, name, 'idle');
}

/** A figure of each start of the processes: its median, least and greatest. */
function overWaves(waves, figure) {
  const figures = waves.map(figure);
  return { ...summary(figures), low: Math.min(...figures), high: Math.max(...figures) };
}
