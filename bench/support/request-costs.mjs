// CPU time per request: servers side by side take turns, each in the modes that it can be switched to.
import { startLoad } from './load.mjs';
import { endAll, Series, startAll, takeTurns } from './rounds.mjs';
import { quantile, summary } from './statistics.mjs';

export const CONNECTIONS = 10;

/**
 * Starts all servers, and adds what a request takes to the costs of each, in µs: one number for each of its modes.
 *
 * A server with several modes begins in the first one, and changes in the order they have whenever a block of rounds
 * begins; the first block counts for nobody.
 *
 * @param modes of each server, by name: those of one mode are never told to change
 * @param plan `warmUp`: requests before the first round, which the modes share; `blocks`, `block`: how many, and rounds in
 *   each; `requests` in a round: enough for some collections of garbage
 */
export async function addCosts({ script, modes, optionsOf, plan, costs, failed }) {
  const { warmUp, blocks, block, requests } = plan;
  const children = await startAll(script, Object.keys(modes), optionsOf, failed);
  const loads = new Map();
  for (const [name, child] of children) {
    const load = await startLoad(await child.ask('url'), CONNECTIONS);
    await warm(child, load, modes[name], warmUp);
    loads.set(name, load);
  }
  const rounds = new Series();
  await takeTurns(children, blocks * block, failed, async (name, child, round) => {
    const current = Math.floor(round / block);
    const load = loads.get(name);
    const mode = modes[name][current % modes[name].length];
    if (modes[name].length > 1 && current > 0 && round % block === 0) {
      await child.ask('change', mode);
      await load.run(requests / 4); // past the change
    }
    await child.ask('begin');
    await load.run(requests);
    const micros = await child.ask('end');
    if (current > 0) rounds.add(name, mode, micros / requests);
  });
  for (const load of loads.values()) load.end();
  await endAll(children);
  for (const [name, mode] of rowsOf(modes, failed))
    costs.add(name, mode, quantile(rounds.of(name, mode), 0.25));
}

/** It ends in the first mode. */
async function warm(child, load, modes, requests) {
  for (const mode of [...modes.slice(1), modes[0]]) {
    if (modes.length > 1) await child.ask('change', mode);
    await load.run(requests / modes.length);
  }
}

/** Server and mode of each that took part. */
export function rowsOf(modes, failed) {
  return Object.keys(modes)
    .filter((name) => !failed.has(name))
    .flatMap((name) => modes[name].map((mode) => [name, mode]));
}

/** In each start of the processes, what two that are the same took, in the middle. */
export function middle(some, others) {
  return some.map((cost, start) => (cost + others[start]) / 2);
}

/** Ratio in each start of the processes. */
export function overStarts(values, base) {
  return overall(values.map((value, start) => value / base[start]));
}

/** One number for each start of the processes: their median, the least and the greatest. */
export function overall(values) {
  return { ...summary(values), low: Math.min(...values), high: Math.max(...values) };
}
