// CPU time per request: without a profiler, with one that is idle, and with one that captures.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startLoad } from './support/load.mjs';
import { absentRows, spread } from './support/report.mjs';
import { endAll, Series, startAll, takeTurns } from './support/rounds.mjs';
import { startSink } from './support/sink.mjs';
import { quantile, summary } from './support/statistics.mjs';

const ADAPTERS = { express: 'Express', fastify: 'Fastify' };
const HZ = 100;
const CONNECTIONS = 10;
const WARM_UP = 5000;
const REQUESTS = 500; // in a round: some collections of garbage are in each
const BLOCK = 4; // rounds idle, then as many capturing, in turns; the first one is warm-up too
const BLOCKS = 7;
const WAVES = 4;

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
/** Who is compared with whom: server and mode of ours, and of the peer. */
const RIVALS = [
  [['ours (pprof)', 'idle'], ['@datadog/pprof', 'idle'], 'idle'],
  [['ours (pprof)', 'capture'], ['@datadog/pprof', 'capture'], 'capturing'],
  [['ours (pprof)', 'capture'], ['@pyroscope/nodejs', 'idle'], 'capturing'],
  [['ours (pprof)', 'capture'], ['@platformatic/flame', 'idle'], 'capturing'],
];

export const title = 'CPU time per request';

export const how = `A Nest application answers with 2 KB of JSON over ${CONNECTIONS} keep-alive connections; the load comes from another
process. Measured is the CPU time of the server's whole process, all its threads, over ${REQUESTS} requests. All servers run side by
side and take turns, in ${(BLOCKS - 1) * BLOCK} rounds that count in each of ${WAVES} starts of all processes; those that can, capture in every
other block of ${BLOCK} rounds, at ${HZ} Hz. The heap is sampled in all but those without a profiler, at one sample in 512 KiB. A
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
    for (let wave = 0; wave < WAVES; wave++) {
      log(`requests: ${adapter}, ${wave + 1} of ${WAVES}`);
      await measure({ adapter, sink: sink.url }, folder, costs, failed);
    }
    results.push(report(adapter, costs, failed));
  }
  sink.end();
  await rm(folder, { recursive: true });
  return { tables: results.map(({ table }) => table), comparisons: results.flatMap((r) => r.comparisons) };
}

/** Starts all servers, and adds to the costs of each what a request takes. */
async function measure(options, cwd, costs, failed) {
  const optionsOf = (name) => ({ ...options, name, hz: HZ, always: SERVERS[name].always, run: { cwd } });
  const children = await startAll('requests.mjs', Object.keys(SERVERS), optionsOf, failed);
  const loads = new Map();
  for (const [name, child] of children) {
    const load = await startLoad(await child.ask('url'), CONNECTIONS);
    await load.run(WARM_UP);
    loads.set(name, load);
  }
  const rounds = new Series();
  await takeTurns(children, BLOCKS * BLOCK, failed, async (name, child, round) => {
    const block = Math.floor(round / BLOCK);
    const load = loads.get(name);
    if (SERVERS[name].capture && block > 0 && round % BLOCK === 0) await changeMode(child, load, block);
    await child.ask('begin');
    await load.run(REQUESTS);
    const micros = await child.ask('end');
    if (block > 0) rounds.add(name, modeOf(name, block), micros / REQUESTS);
  });
  for (const load of loads.values()) load.end();
  await endAll(children);
  for (const [name, mode] of lines(failed)) costs.add(name, mode, quantile(rounds.of(name, mode), 0.25));
}

function modeOf(name, block) {
  return SERVERS[name].capture && block % 2 ? 'capture' : 'idle';
}

async function changeMode(child, load, block) {
  await child.ask(block % 2 ? 'startCapture' : 'stopCapture');
  await load.run(REQUESTS / 4); // past the change
}

/** Server and mode of each row. */
function lines(failed) {
  return Object.keys(SERVERS)
    .filter((name) => !failed.has(name))
    .flatMap((name) => ['idle', 'capture'].filter((mode) => SERVERS[name][mode]).map((mode) => [name, mode]));
}

function report(adapter, costs, failed) {
  const nobody = costs.of(WITHOUT, 'idle').map((cost, wave) => (cost + costs.of(AGAIN, 'idle')[wave]) / 2);
  const columns = ['', 'µs per request', 'it ÷ without', 'it ÷ the same, idle', 'ours ÷'];
  const comparisons = RIVALS.filter(([, [peer]]) => !failed.has(peer)).map(([ours, peer, metric]) => ({
    group: 'requests',
    metric,
    where: ADAPTERS[adapter],
    ours: SERVERS[ours[0]][ours[1]],
    peer: SERVERS[peer[0]][peer[1]],
    ratio: overWaves(costs.of(...ours), costs.of(...peer)),
  }));
  const rows = lines(failed).map(([name, mode]) => {
    const values = costs.of(name, mode);
    const compared = comparisons.find(({ peer }) => peer === SERVERS[name][mode]);
    return [
      SERVERS[name][mode],
      summary(values).median.toFixed(1),
      spread(overWaves(values, nobody), 3),
      mode === 'capture' ? spread(overWaves(values, costs.of(name, 'idle')), 3) : '–',
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

/** Ratio in each start of the processes: its median, least and greatest. */
function overWaves(values, base) {
  const ratios = values.map((value, wave) => value / base[wave]);
  return { ...summary(ratios), low: Math.min(...ratios), high: Math.max(...ratios) };
}
