import { parseContention } from './contention.js';
import { parseCounts } from './counts.js';
import { parseCpu } from './cpu.js';
import { parseHeap } from './heap.js';
import { parseJava } from './java.js';
import { parseThreads } from './threads.js';
import type { Profile } from '../profile.js';

/** In google/pprof's order: what one does not take for its own the next one may. */
const PARSERS = [parseCpu, parseHeap, parseCounts, parseThreads, parseContention, parseJava];

/**
 * Reads the formats from before profile.proto, as google/pprof does: Go's text (`debug=1`), and what gperftools and
 * Java wrote. `drop_frames`, which google/pprof adds to some, have no place in our model.
 *
 * @param bytes uncompressed
 * @throws Error that says what is wrong with it, or `unrecognized profile format`
 * @see https://github.com/google/pprof/blob/main/profile/legacy_profile.go
 */
export function* parseLegacy(bytes: Uint8Array): Generator<void, Profile> {
  for (const parse of PARSERS) {
    const profile = yield* parse(bytes);
    if (profile) return profile;
  }
  throw new Error('unrecognized profile format');
}
