import { writeFile } from 'node:fs/promises';
import { finished } from '../../dist/esm/format/finished.js';
import { merge } from '../../dist/esm/format/merge.js';
import { ProfileBuilder } from '../../dist/esm/format/builder.js';
import { encodeProfile } from '../../dist/esm/format/encode.js';
import { serveCommands } from '../support/child.mjs';

const DEPTH = 30;
const PLACES = 5000;
const SIZES = 50; // of objects

const HEADER = {
  sampleTypes: [
    { type: 'alloc_objects', unit: 'count' },
    { type: 'alloc_space', unit: 'bytes' },
    { type: 'inuse_objects', unit: 'count' },
    { type: 'inuse_space', unit: 'bytes' },
  ],
  defaultSampleType: '',
  periodType: { type: 'space', unit: 'bytes' },
  period: 524_288,
  timeNanos: 1_764_000_000_000_000_000n,
  durationNanos: 0,
  comments: [],
};

await serveCommands(() => {
  let profiles;
  return {
    /** Makes two profiles that have half of their samples in common, and writes them to files for Go. */
    async prepare(samples, ...files) {
      profiles = files.map((_, i) => heapProfile(samples, (i * samples) / 2));
      for (const [i, file] of files.entries()) await writeFile(file, finished(encodeProfile(profiles[i])));
    },
    /** Merges and encodes them; in ms. */
    merge() {
      const begin = performance.now();
      const profile = finished(merge(profiles));
      const merged = performance.now();
      finished(encodeProfile(profile));
      return {
        merge: merged - begin,
        encode: performance.now() - merged,
        samples: profile.samples.length,
      };
    },
  };
});

function heapProfile(samples, from) {
  const builder = new ProfileBuilder();
  const locationOf = (place) =>
    builder.location({
      address: place + 1,
      functionName: `function${place}`,
      filename: `/app/file${place % 100}.js`,
      startLine: place,
      line: place,
      column: 0,
    });
  for (let i = from; i < from + samples; i++) {
    const size = 16 * (1 + (i % SIZES));
    const stack = Array.from({ length: DEPTH }, (_, level) =>
      locationOf((i * 31 + level * (977 + Math.floor(i / PLACES))) % PLACES),
    );
    builder.sample(stack, [2, 2 * size, 1, size], builder.labels({ bytes: size }));
  }
  return finished(builder.build(HEADER, '/app/main.js'));
}
