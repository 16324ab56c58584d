import { constants, gzipSync } from 'node:zlib';
import { serveCommands } from '../support/child.mjs';
import { ENCODERS } from '../support/encoders.mjs';
import { stacksOf } from '../support/stacks.mjs';

await serveCommands(async ({ name }) => {
  const { build, encode, gzipLevel = constants.Z_DEFAULT_COMPRESSION } = await ENCODERS[name]();
  return {
    /** Builds, encodes and compresses a profile; in ms, and its bytes before compression. */
    round(samples, depth, places) {
      const stacks = stacksOf(samples, depth, places);
      const begin = performance.now();
      const profile = build(stacks, places);
      const built = performance.now();
      const bytes = encode(profile);
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
