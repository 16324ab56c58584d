// CPU time per request: without a profiler, with one that is idle, and with one that captures.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { absentRows, spread } from './support/report.mjs';
import { addCosts, CONNECTIONS, middle, overStarts, rowsOf } from './support/request-costs.mjs';
import { Series } from './support/rounds.mjs';
import { startSink } from './support/sink.mjs';
import { summary } from './support/statistics.mjs';

const ADAPTERS = { express: 'Express', fastify: 'Fastify' };
const HZ = 100;
const PLAN = { warmUp: 20_000, blocks: 7, block: 4, requests: 500 };
const WAVES = 3;

const WITHOUT = 'without';
const AGAIN = 'without, again';
/**
 * Who serves. `always`: what is on from the start; `idle` and `capture`: what it does in these blocks, in words. Who has
 * no `capture` does the same in all.
 */
const SERVERS = {
  [WITHOUT]: { idle: 'without a profiler' },
  [AGAIN]: { idle: 'without, in a second process' },
  'ours (inspector)': { idle: 'ours (inspector), idle', capture: 'ours (inspector), capturing' },
  'ours (pprof)': { idle: 'ours (pprof), idle', capture: 'ours (pprof), capturing' },
  '@datadog/pprof': {
    always: 'heap',
    idle: '@datadog/pprof, heap',
    capture: '@datadog/pprof, heap and capturing',
  },
  '@pyroscope/nodejs': { always: 'always', idle: '@pyroscope/nodejs, heap and wall' },
  '@platformatic/flame': { always: 'always', idle: '@platformatic/flame, heap and CPU at 1000 Hz' },
};
const MODES = Object.fromEntries(
  Object.entries(SERVERS).map(([name, { capture }]) => [name, capture ? ['idle', 'capture'] : ['idle']]),
);
/** Who is compared with whom: server and mode of ours, and of the peer. */
const RIVALS = [
  [['ours (pprof)', 'idle'], ['@datadog/pprof', 'idle'], 'idle'],
  [['ours (pprof)', 'capture'], ['@datadog/pprof', 'capture'], 'capturing'],
  [['ours (pprof)', 'capture'], ['@pyroscope/nodejs', 'idle'], 'capturing'],
  [['ours (pprof)', 'capture'], ['@platformatic/flame', 'idle'], 'capturing'],
];

export const title = 'CPU time per request';

export const how = `A Nest application answers with 2 KB of JSON over ${CONNECTIONS} keep-alive connections; the load comes from another
process. Measured is the CPU time of the server's whole process, all its threads, over ${PLAN.requests} requests. All servers run side by
side and take turns, in ${(PLAN.blocks - 1) * PLAN.block} rounds that count in each of ${WAVES} starts of all processes; those that can, capture in every
other block of ${PLAN.block} rounds, at ${HZ} Hz. The heap is sampled in all but those without a profiler, at one sample in 512 KiB. A
process counts with the lower quartile of its rounds, since what else the machine does only ever adds. In parentheses: the
least and the greatest of the ${WAVES} starts. Two processes have no profiler; what one of them differs by from both is the noise.
Starting, stopping and sending captures is not in it, for nobody.`;

export async function run(log) {
  const sink = await startSink();
  const folder = await mkdtemp(join(tmpdir(), 'nestjs-pprof-bench-'));
  const results = [];
  for (const adapter in ADAPTERS) {
    const costs = new Series(); // one for each start of the processes
    const failed = new Map();
    const optionsOf = (name) => ({
      name,
      adapter,
      hz: HZ,
      sink: sink.url,
      always: SERVERS[name].always,
      run: { cwd: folder },
    });
    for (let wave = 0; wave < WAVES; wave++) {
      log(`requests: ${adapter}, ${wave + 1} of ${WAVES}`);
      await addCosts({ script: 'requests.mjs', modes: MODES, optionsOf, plan: PLAN, costs, failed });
    }
    results.push(report(adapter, costs, failed));
  }
  sink.end();
  await rm(folder, { recursive: true });
  return { tables: results.map(({ table }) => table), comparisons: results.flatMap((r) => r.comparisons) };
}

function report(adapter, costs, failed) {
  const nobody = middle(costs.of(WITHOUT, 'idle'), costs.of(AGAIN, 'idle'));
  const columns = ['', 'µs per request', 'it ÷ without', 'it ÷ the same, idle', 'ours ÷'];
  const comparisons = RIVALS.filter(([, [peer]]) => !failed.has(peer)).map(([ours, peer, metric]) => ({
    group: 'requests',
    metric,
    where: ADAPTERS[adapter],
    ours: SERVERS[ours[0]][ours[1]],
    peer: SERVERS[peer[0]][peer[1]],
    ratio: overStarts(costs.of(...ours), costs.of(...peer)),
  }));
  const rows = rowsOf(MODES, failed).map(([name, mode]) => {
    const values = costs.of(name, mode);
    const compared = comparisons.find(({ peer }) => peer === SERVERS[name][mode]);
    return [
      SERVERS[name][mode],
      summary(values).median.toFixed(1),
      spread(overStarts(values, nobody), 3),
      mode === 'capture' ? spread(overStarts(values, costs.of(name, 'idle')), 3) : '–',
      compared ? spread(compared.ratio, 3) : '–',
    ];
  });
  return {
    comparisons,
    table: {
      title: `CPU time per request, ${ADAPTERS[adapter]}`,
      columns,
      rows: [...rows, ...absentRows(failed, columns.length)],
    },
  };
}
