import { addressesIn, int64, isSpaceOrComment, Lines, malformed } from './lines.js';
import { buildWithSections, isMemoryMapSentinel } from './memory-map.js';
import { countOf, LegacySamples, type LegacyHeader } from './samples.js';
import type { Profile } from '../profile.js';

const HEADER = /^([^\t\n\f\r ]+) profile: total \d+$/;
const SAMPLE = /^(\d+) @((?: 0x[0-9a-f]+)+)$/;

/** Go's counts of something: goroutines, threads, what an application counts. Undefined for what is none. */
export function* parseCounts(bytes: Uint8Array): Generator<void, Profile | undefined> {
  const lines = new Lines(bytes);
  const [, name] = HEADER.exec(yield* lines.headerBelowComments()) ?? [];
  if (!name) return undefined;
  const header: LegacyHeader = { sampleTypes: [countOf(name)], periodType: countOf(name), period: 1 };
  const samples = new LegacySamples();
  for (let line = lines.next(); line !== undefined; line = lines.next()) {
    if (lines.isTimeToYield(line)) yield;
    if (isSpaceOrComment(line)) continue;
    if (line.startsWith('---') || isMemoryMapSentinel(line)) {
      return yield* buildWithSections(samples, header, lines, line);
    }
    const [, count, addresses] = SAMPLE.exec(line) ?? [];
    if (!count) throw malformed(`the line ${line.slice(0, 100)}`);
    samples.add(addressesIn(addresses!, 1), [int64(count)]);
  }
  return yield* buildWithSections(samples, header, lines, undefined);
}
