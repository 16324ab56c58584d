import { addressesIn, int64, isSpaceOrComment, Lines, malformed } from './lines.js';
import { buildWithSections, isMemoryMapSentinel } from './memory-map.js';
import { countOf, LegacySamples } from './samples.js';
import type { Profile } from '../profile.js';

const HEADERS = ['--- contentionz ', '--- mutex:', '--- contention:'];
/**
 * Cycles and count. Without a space between them the last digit is the count, as google/pprof's pattern has it; that
 * pattern itself would take a time that grows by the square of the line.
 */
const SAMPLE = /(?<!\d)(?:(\d+) +(\d+)|(\d+)(\d)) @([ x0-9a-f]*)/;

/** What the lines `name=value` above the samples say. */
interface Attributes {
  readonly 'cycles/second': number;
  readonly 'sampling period': number;
  readonly 'ms since reset': number;
  readonly 'discarded samples': number;
}
const UNSAID: Attributes = {
  'cycles/second': 0,
  'sampling period': 1,
  'ms since reset': 0,
  'discarded samples': 0,
};

/** Waits for locks, of Go and of C++ programs. Undefined for what is none, such as Java's with the same header. */
export function* parseContention(bytes: Uint8Array): Generator<void, Profile | undefined> {
  const lines = new Lines(bytes);
  const first = lines.header();
  if (!HEADERS.some((header) => first.startsWith(header))) return undefined;
  const above = yield* readAttributes(lines);
  if (!above) return undefined;
  const { attributes } = above;
  const header = {
    sampleTypes: [countOf('contentions'), { type: 'delay', unit: 'nanoseconds' }],
    periodType: countOf('contentions'),
    period: attributes['sampling period'],
    durationNanos: attributes['ms since reset'] * 1e6,
  };
  const samples = new LegacySamples();
  let { line } = above;
  for (; line !== undefined; line = lines.next()?.trim()) {
    if (lines.isTimeToYield(line)) yield;
    if (isSpaceOrComment(line)) continue;
    if (line.startsWith('---') || isMemoryMapSentinel(line)) break;
    addSample(line, attributes, samples);
  }
  return yield* buildWithSections(samples, header, lines, line);
}

/** Undefined where there is one that this format does not have; `line` is the one after them. */
function* readAttributes(
  lines: Lines,
): Generator<void, { attributes: Attributes; line: string | undefined } | undefined> {
  const attributes = { ...UNSAID };
  let line = lines.next()?.trim();
  for (; line !== undefined; line = lines.next()?.trim()) {
    if (lines.isTimeToYield(line)) yield;
    if (isSpaceOrComment(line)) continue;
    const equals = line.indexOf('=');
    if (equals < 0 || line.startsWith('---')) break;
    const [name, value] = [line.slice(0, equals).trim(), line.slice(equals + 1).trim()];
    if (!Object.hasOwn(UNSAID, name)) return undefined;
    if (name !== 'discarded samples') attributes[name as keyof Attributes] = int64(value);
  }
  return { attributes, line };
}

/** Samples tell cycles of those that were sampled; a profile tells nanoseconds of all. */
function addSample(line: string, attributes: Attributes, samples: LegacySamples): void {
  const found = SAMPLE.exec(line);
  if (!found) throw malformed(`the line ${line.slice(0, 100)}`);
  const cycles = int64(found[1] ?? found[3]!);
  const count = int64(found[2] ?? found[4]!);
  const { 'cycles/second': frequency, 'sampling period': period } = attributes;
  const delay = period > 0 && frequency > 0 ? Math.trunc((cycles * period) / (frequency / 1e9)) : cycles;
  samples.add(addressesIn(found[5]!, 1), [period > 0 ? count * period : count, delay]);
}
