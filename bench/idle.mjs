// CPU time per request with the module idle: of each of its parts, which are done many times over to be seen at all.
import { startLoad } from './support/load.mjs';
import { absentRows, spread } from './support/report.mjs';
import { CONNECTIONS, overall } from './support/request-costs.mjs';
import { Series, startAll } from './support/rounds.mjs';
import { quantile } from './support/statistics.mjs';

const ADAPTERS = { express: 'Express', fastify: 'Fastify' };
const STARTS = 5;
const ROUNDS = 40;
const REQUESTS = 300;
const WARM_UP = 3000;

const TIMES = 50;
const INTERVAL = 16 * 1024;
const INTERVAL_IDLE = 512 * 1024;

/** By mode of the child: what is done for a request, how often the mode does it, and how often a request has it. */
const PARTS = {
  listeners: { text: 'listeners of the HTTP server, two', times: TIMES, count: 2 },
  door: { text: 'the path is looked at (`src/http/front-door.ts`)', times: TIMES, count: 1 },
  begin: { text: 'the request begins (`src/http/request-watch.ts`)', times: TIMES, count: 1 },
  note: { text: 'its handler is noted, by a guard (`src/http/request-watch.ts`)', times: TIMES, count: 1 },
  guard: { text: 'Nest awaits a guard; not if there are others', times: TIMES, count: 1 },
  heap: { text: "V8's heap sampler, one sample in 512 KiB", times: INTERVAL_IDLE / INTERVAL, count: 1 },
};
const COLUMNS = ['', 'µs', 'of a request, %'];

export const title = 'What the module costs while nobody asks';

export const how = `The application of the section before, with all that ours does for a request while nobody asks. That is less than
what two processes with the same code differ by, so each part is done ${TIMES} times over for each request, and the heap is sampled
${INTERVAL_IDLE / INTERVAL} times as often; what the request takes more is shared among them. They take turns, in another order in each
of ${ROUNDS} rounds of ${REQUESTS} requests each, in ${STARTS} starts of the process; a start counts with the lower quartiles of its rounds. In
parentheses: the least and the greatest of the starts. What is done over and over is warm, and what a part
makes V8 do elsewhere is not seen: for the whole, with its noise, see the section before.`;

export async function run(log) {
  const tables = [];
  for (const adapter in ADAPTERS) {
    const costs = new Series();
    const failed = new Map();
    for (let start = 0; start < STARTS; start++) {
      log(`idle: ${adapter}, ${start + 1} of ${STARTS}`);
      const options = { adapter, times: TIMES, interval: INTERVAL };
      const [child] = (await startAll('idle.mjs', [adapter], () => options, failed)).values();
      if (!child) break;
      const rounds = await measure(child);
      for (const mode of ['none', ...Object.keys(PARTS)])
        costs.add(mode, 'cost', quantile(rounds.of(mode, 'cost'), 0.25));
      await child.end();
    }
    tables.push({ title: `Idle, ${ADAPTERS[adapter]}`, columns: COLUMNS, rows: rowsOf(costs, failed) });
  }
  return { tables, comparisons: [] };
}

async function measure(child) {
  const load = await startLoad(await child.ask('url'), CONNECTIONS);
  const rounds = new Series();
  const measured = async (mode, requests) => {
    await child.ask('mode', mode);
    await load.run(requests / 10); // past what another mode did before
    await child.ask('begin');
    await load.run(requests);
    const cost = (await child.ask('end')) / requests;
    if (mode === 'heap') await child.ask('stopHeap');
    return cost;
  };
  const modes = ['none', ...Object.keys(PARTS)];
  for (const mode of modes) await measured(mode, WARM_UP);
  for (let round = 0; round < ROUNDS; round++)
    for (const mode of shuffled(modes)) rounds.add(mode, 'cost', await measured(mode, REQUESTS));
  load.end();
  return rounds;
}

function rowsOf(costs, failed) {
  if (failed.size > 0) return absentRows(failed, COLUMNS.length);
  const none = costs.of('none', 'cost');
  const parts = Object.entries(PARTS).map(([mode, { text, times, count }]) => {
    const each = costs.of(mode, 'cost').map((cost, start) => ((cost - none[start]) / times) * count);
    return { text, each };
  });
  const all = none.map((_, start) => parts.reduce((sum, { each }) => sum + each[start], 0));
  return [...parts, { text: '**all of it**', each: all }]
    .map(({ text, each }) => [
      text,
      spread(overall(each), 2),
      spread(overall(each.map((cost, start) => (100 * cost) / none[start])), 2),
    ])
    .concat([['a request without', spread(overall(none)), '–']]);
}

function shuffled(list) {
  return list
    .map((value) => ({ value, key: Math.random() }))
    .toSorted((a, b) => a.key - b.key)
    .map(({ value }) => value);
}
