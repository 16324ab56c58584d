// What console.* costs while a session with the inspector is connected.
import { startChild } from './support/child.mjs';
import { absentRows, spread } from './support/report.mjs';
import { ratios, summary } from './support/statistics.mjs';

const CALLS = 5000;
const ROUNDS = 20;
const WARM_UP = 3;

/** Who logs, in words. */
const NAMES = {
  without: 'without a profiler',
  'pprof, idle': 'ours (pprof), idle',
  'inspector, idle': 'ours (inspector), idle',
  'inspector, capturing': 'ours (pprof), capturing by the inspector',
  'warm, idle': "ours, warm: 'always', idle",
  'node:inspector': 'node:inspector, a session connected',
};

export const title = 'console.* while the inspector is connected';

export const how = `CPU time of each \`console.log('request', { id })\` to a sink: ${CALLS} calls in a row, and ${CALLS} calls each in its own job. The processes take turns
for ${ROUNDS} rounds. While any inspector session is connected, V8 stores the arguments of the last 1,000 \`console.*\` calls. This module makes
V8 forget them at the next call or at the end of the job, which costs as much again. With \`pprof\`, a session is connected only during a
capture by the inspector, and while V8's profiler keeps running: for two minutes after a capture, or always. Loggers that write to a
stream themselves, such as Nest's and pino, are not affected.`;

export async function run(log) {
  const names = Object.keys(NAMES);
  log(`console: ${names.join(', ')}`);
  const children = await Promise.all(names.map((name) => startChild('console.mjs', { name })));
  const failed = new Map();
  const series = new Map();
  names.forEach((name, i) => {
    const { error } = children[i];
    if (error) failed.set(NAMES[name], error);
    else series.set(name, { child: children[i], row: [], alone: [] });
  });
  for (let round = 0; round < WARM_UP + ROUNDS; round++) {
    for (const { child, row, alone } of series.values()) {
      const times = [await child.ask('log', CALLS, true), await child.ask('log', CALLS, false)];
      if (round < WARM_UP) continue;
      row.push(times[0]);
      alone.push(times[1]);
    }
  }
  await Promise.all(children.map((child) => child.end()));
  const columns = ['', 'in a row, µs', '÷ without', 'each in its own job, µs', '÷ without'];
  const base = series.get('without');
  const rows = [...series].map(([name, { row, alone }]) => [
    NAMES[name],
    spread(summary(row)),
    spread(ratios(row, base.row), 2),
    spread(summary(alone)),
    spread(ratios(alone, base.alone), 2),
  ]);
  const table = {
    title: 'CPU time per console.log',
    columns,
    rows: [...rows, ...absentRows(failed, columns.length)],
  };
  return { tables: [table], comparisons: [] };
}
