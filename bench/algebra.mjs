// Decoding, merging and encoding profiles: ours and Go's.
import { peakRss } from './support/peak.mjs';
import { writeProfiles } from './support/profile-files.mjs';
import { OURS, Race } from './support/race.mjs';

/** By the number of samples the rounds. V8 optimizes what has run for a while: a small profile takes more of them. */
const ROUNDS = new Map([
  [1000, 30],
  [20_000, 20],
  [100_000, 5],
]);
const DEPTH = 30;
const PLACES = 5000;
const WAVES = 3;

export const title = 'Decoding and merging';

export const how = `Two profiles of 1,000, 20,000 and 100,000 samples of ${DEPTH} frames each, over ${PLACES} places in the code; no two samples of
one profile have the same stack, half of them have that of a sample of the other. Both are decoded from memory, merged, and what
comes out is encoded, without gzip: ours, and Go's \`github.com/google/pprof/profile\` as its own tree has it, on the same files. Each
runs in a process of its own; its first round is a column of its own. The peak is that of the whole process, with what Node is before it begins.
The longest piece is what ours does between two places at which the event loop can have a turn, besides V8's collections of garbage
and other processes' time.`;

export async function run(log) {
  const race = new Race('algebra', [OURS]);
  for (let wave = 0; wave < WAVES; wave++) {
    log(`algebra: ${wave + 1} of ${WAVES}`);
    for (const [samples, rounds] of ROUNDS) {
      const files = await writeProfiles(samples, DEPTH, PLACES);
      await race.run(samples, rounds, (child) => round(child, samples, files.paths));
      await files.remove();
    }
  }
  const { first, later, comparisons } = race;
  const tables = [...ROUNDS.keys()].map((samples) =>
    race.table(`Decode, merge and encode 2 × ${samples.toLocaleString('en')} samples of ${DEPTH} frames`, [
      ['decode, ms', later.cell('decode', samples, 1)],
      ['ours ÷', later.ratio('decode', samples)],
      ['merge', later.cell('merge', samples, 1)],
      ['ours ÷', later.ratio('merge', samples)],
      ['encode', later.cell('encode', samples, 1)],
      ['ours ÷', later.ratio('encode', samples)],
      ['first time: all', first.cell('all', samples)],
      ['ours ÷', first.ratio('all', samples, 'the first time')],
      ['peak RSS, MB', later.cell('peak', samples)],
      ['ours ÷', later.ratio('peak', samples, 'peak RSS')],
      ['longest piece, ms', later.cell('longest', samples, 1)],
    ]),
  );
  return { tables, comparisons };
}

async function round(child, samples, paths) {
  const { samples: merged, ...measured } = await child.ask('add', ...paths);
  if (merged !== samples * 1.5) throw new Error(`${merged} samples came out instead of ${samples * 1.5}`);
  const all = measured.decode + measured.merge + measured.encode;
  return { ...measured, all, peak: await peakRss(child.pid) };
}
