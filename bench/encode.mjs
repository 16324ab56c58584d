// Building and encoding a profile: ours, the encoders of the peers, and Go's.
import { ENCODERS } from './support/encoders.mjs';
import { Race } from './support/race.mjs';

const SIZES = [20_000, 100_000];
const DEPTH = 30;
const PLACES = 5000;
const WAVES = 3;
const ROUNDS = 4;

export const title = 'Encoding';

export const how = `A profile of 20,000 and of 100,000 samples of ${DEPTH} frames, over ${PLACES} places in the code, from stacks in
memory to the bytes of profile.proto, and gzip apart. Each encoder runs in a process of its own, warm after its first round; the
first round of each process is a column of its own, since a service seldom makes a profile. Go is \`github.com/google/pprof/profile\`
as Go's own tree has it. gzip is at the level that each uses: 1 for ours and Go, zlib's default for the others.`;

export async function run(log) {
  const race = new Race('encode', Object.keys(ENCODERS));
  for (let wave = 0; wave < WAVES; wave++) {
    log(`encode: ${wave + 1} of ${WAVES}`);
    for (const samples of SIZES) {
      await race.run(samples, ROUNDS, async (child) => {
        const measured = await child.ask('round', samples, DEPTH, PLACES);
        return { ...measured, both: measured.build + measured.encode };
      });
    }
  }
  const { first, later, comparisons } = race;
  const tables = SIZES.map((samples) =>
    race.table(`Build and encode ${samples.toLocaleString('en')} samples of ${DEPTH} frames`, [
      ['build, ms', later.cell('build', samples)],
      ['encode', later.cell('encode', samples)],
      ['both', later.cell('both', samples)],
      ['ours ÷', later.ratio('both', samples, 'build and encode')],
      ['first time: both', first.cell('both', samples)],
      ['ours ÷', first.ratio('both', samples, 'the first time')],
      ['gzip', later.cell('gzip', samples)],
      ['ours ÷', later.ratio('gzip', samples)],
    ]),
  );
  return { tables, comparisons };
}
