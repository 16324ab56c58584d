// Merging two profiles: ours and Go's.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addGo, GO } from './support/go.mjs';
import { absentRows, spread } from './support/report.mjs';
import { endAll, Series, startAll, takeTurns } from './support/rounds.mjs';
import { ratios, summary } from './support/statistics.mjs';

const SIZES = [1000, 20_000, 100_000];
const WAVES = 3;
const ROUNDS = 5;
const OURS = 'ours';

export const title = 'Merging';

export const how = `Two heap profiles of 1,000, 20,000 and 100,000 samples each, of 30 frames with 5,000 places in the code. Half of the samples are in both. They are merged,
and the result is encoded without gzip. Go is \`profile.Merge\` and \`WriteUncompressed\` of \`github.com/google/pprof\`, on files that ours wrote from
the same profiles. Reading the files is not measured. Both are warm after the first round, which has its own column.`;

export async function run(log) {
  const series = new Series();
  const failed = new Map();
  const folder = await mkdtemp(join(tmpdir(), 'nestjs-pprof-bench-'));
  const files = [join(folder, 'a.pb'), join(folder, 'b.pb')];
  for (let wave = 0; wave < WAVES; wave++) {
    log(`merge: ${wave + 1} of ${WAVES}`);
    for (const samples of SIZES) {
      const children = await startAll('merge.mjs', [OURS], () => ({}), failed);
      await addGo(children, failed);
      await children.get(OURS)?.ask('prepare', samples, ...files);
      await children.get(GO)?.ask('prepare', ...files);
      await takeTurns(children, ROUNDS, failed, async (name, child, round) => {
        const { merge, encode, samples: merged } = await child.ask('merge');
        const expected = (samples * 3) / 2;
        if (merged !== expected) throw new Error(`${merged} samples after merging, not ${expected}`);
        for (const [what, ms] of Object.entries({ merge, encode, both: merge + encode })) {
          series.add(name, `${round === 0 ? 'first ' : ''}${what} ${samples}`, ms);
        }
      });
      await endAll(children);
    }
  }
  await rm(folder, { recursive: true });
  return report([OURS, GO], series, failed);
}

function report(all, series, failed) {
  const names = all.filter((name) => !failed.has(name));
  const comparisons = [];
  const columns = [
    '',
    'merge, ms',
    'ours ÷',
    'encode',
    'both',
    'ours ÷',
    'first time: merge',
    'ours ÷',
    'both',
    'ours ÷',
  ];
  const tables = SIZES.map((samples) => {
    const cell = (name, what) => spread(summary(series.of(name, `${what} ${samples}`)), 1);
    const ratio = (name, what, metric) => {
      if (name === OURS) return '–';
      const ratio = ratios(series.of(OURS, `${what} ${samples}`), series.of(name, `${what} ${samples}`));
      const where = `${samples.toLocaleString('en')} samples`;
      comparisons.push({ group: 'merge', metric, where, ours: OURS, peer: name, ratio });
      return spread(ratio, 2);
    };
    const rows = names.map((name) => [
      name,
      cell(name, 'merge'),
      ratio(name, 'merge', 'merge'),
      cell(name, 'encode'),
      cell(name, 'both'),
      ratio(name, 'both', 'merge and encode'),
      cell(name, 'first merge'),
      ratio(name, 'first merge', 'the first merge'),
      cell(name, 'first both'),
      ratio(name, 'first both', 'the first merge and encode'),
    ]);
    return {
      title: `Merge two profiles of ${samples.toLocaleString('en')} samples`,
      columns,
      rows: [...rows, ...absentRows(failed, columns.length)],
    };
  });
  return { tables, comparisons };
}
