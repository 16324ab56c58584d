import { constants, gzipSync } from 'node:zlib';
import { serveCommands } from '../support/child.mjs';
import { ENCODERS } from '../support/encoders.mjs';

await serveCommands(async ({ name }) => {
  const { build, encode: write, gzipLevel = constants.Z_DEFAULT_COMPRESSION } = await ENCODERS[name]();
  return {
    /** Builds, encodes and compresses a profile; in ms, and its bytes before compression. */
    encode(samples, depth, places) {
      const stacks = stacksOf(samples, depth, places);
      const begin = performance.now();
      const profile = build(stacks, places);
      const built = performance.now();
      const bytes = write(profile);
      const encoded = performance.now();
      gzipSync(bytes, { level: gzipLevel });
      return {
        build: built - begin,
        encode: encoded - built,
        gzip: performance.now() - encoded,
        bytes: bytes.length,
      };
    },
  };
});

/** All different, so that nobody has less to write by adding up the same. */
function stacksOf(samples, depth, places) {
  return Array.from({ length: samples }, (_, i) =>
    Array.from({ length: depth }, (_, level) => (i * 31 + level * (977 + Math.floor(i / places))) % places),
  );
}
