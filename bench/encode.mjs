// Building and encoding a profile: ours, the encoders of the peers, and Go's.
import { ENCODERS } from './support/encoders.mjs';
import { addGo, GO } from './support/go.mjs';
import { absentRows, spread } from './support/report.mjs';
import { endAll, Series, startAll, takeTurns } from './support/rounds.mjs';
import { ratios, summary } from './support/statistics.mjs';

const SIZES = [20_000, 100_000];
const DEPTH = 30;
const PLACES = 5000;
const WAVES = 3;
const ROUNDS = 4;
const OURS = 'ours';
const STEPS = ['build', 'encode', 'both', 'gzip'];

export const title = 'Encoding';

export const how = `A profile of 20,000 and one of 100,000 samples of ${DEPTH} frames, with ${PLACES} places in the code, from stacks in memory to the bytes of profile.proto. gzip is
measured separately. Each encoder runs in its own process and is warm after the first round. The first round has its own column, because
a service seldom makes a profile. Go is \`github.com/google/pprof/profile\` from Go's source tree. gzip has the level that each one uses: 1
for ours and Go, zlib's default for the others.`;

export async function run(log) {
  const later = new Series();
  const first = new Series();
  const failed = new Map();
  for (let wave = 0; wave < WAVES; wave++) {
    log(`encode: ${wave + 1} of ${WAVES}`);
    for (const samples of SIZES) {
      const children = await startAll('encode.mjs', Object.keys(ENCODERS), (name) => ({ name }), failed);
      await addGo(children, failed);
      await takeTurns(children, ROUNDS, failed, async (name, child, round) => {
        const measured = await child.ask('encode', samples, DEPTH, PLACES);
        measured.both = measured.build + measured.encode;
        for (const what in measured) {
          (round === 0 ? first : later).add(name, `${what} ${samples}`, measured[what]);
        }
      });
      await endAll(children);
    }
  }
  return report([...Object.keys(ENCODERS), GO], later, first, failed);
}

function report(all, later, first, failed) {
  const names = all.filter((name) => !failed.has(name));
  const comparisons = [];
  const tables = SIZES.map((samples) => {
    const columns = [
      '',
      'build, ms',
      'encode',
      'both',
      'ours ÷',
      'first time: both',
      'ours ÷',
      'gzip',
      'ours ÷',
    ];
    const ratio = (series, name, what, metric) => {
      if (name === OURS) return '–';
      const ratio = ratios(series.of(OURS, `${what} ${samples}`), series.of(name, `${what} ${samples}`));
      const where = `${samples.toLocaleString('en')} samples`;
      comparisons.push({ group: 'encode', metric, where, ours: OURS, peer: name, ratio });
      return spread(ratio, 2);
    };
    const cell = (series, name, what) => spread(summary(series.of(name, `${what} ${samples}`)), 0);
    const rows = names.map((name) => [
      name,
      ...STEPS.slice(0, 3).map((what) => cell(later, name, what)),
      ratio(later, name, 'both', 'build and encode'),
      cell(first, name, 'both'),
      ratio(first, name, 'both', 'the first time'),
      cell(later, name, 'gzip'),
      ratio(later, name, 'gzip', 'gzip'),
    ]);
    return {
      title: `Build and encode ${samples.toLocaleString('en')} samples of ${DEPTH} frames`,
      columns,
      rows: [...rows, ...absentRows(failed, columns.length)],
    };
  });
  return { tables, comparisons };
}
