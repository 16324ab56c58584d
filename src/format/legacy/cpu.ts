import { buildWithPlaces } from './java.js';
import { Lines, malformed } from './lines.js';
import { buildWithMemoryMap } from './memory-map.js';
import { Pace } from './pace.js';
import { countOf, LegacySamples, type LegacyHeader } from './samples.js';
import { type CollectedSample, dropDoubledLeaf, dropHandlerFrames } from './stack-repair.js';
import type { Profile } from '../profile.js';

/** Words between two yields. */
const SLICE = 10_000;
/** Words of the header: 0, 3, language, period, 0. */
const HEADER_WORDS = 5;
const JAVA = 1;

/** The width of a word in bytes, and which of them comes first. */
const WORDS: readonly { readonly width: 4 | 8; readonly isLittleEndian: boolean }[] = [
  { width: 4, isLittleEndian: true },
  { width: 4, isLittleEndian: false },
  { width: 8, isLittleEndian: true },
  { width: 8, isLittleEndian: false },
];

/**
 * The binary CPU profiles of gperftools: words, and after them text. Undefined for what is none.
 *
 * @see https://gperftools.github.io/gperftools/cpuprofile-fileformat.html
 */
export function* parseCpu(bytes: Uint8Array): Generator<void, Profile | undefined> {
  for (const { width, isLittleEndian } of WORDS) {
    const words = new Words(bytes, width, isLittleEndian);
    if (words.remaining < HEADER_WORDS) continue;
    const [first, second, language, micros, last] = Array.from({ length: HEADER_WORDS }, () => words.next());
    if (first !== 0 || second !== 3 || !(micros! > 0) || last !== 0) continue;
    if (language === 0 || language === JAVA) return yield* read(words, micros! * 1000, language === JAVA);
  }
  return undefined;
}

function* read(words: Words, period: number, isJava: boolean): Generator<void, Profile> {
  const header: LegacyHeader = {
    sampleTypes: [countOf('samples'), { type: 'cpu', unit: 'nanoseconds' }],
    periodType: { type: 'cpu', unit: 'nanoseconds' },
    period,
  };
  const collected = yield* readSamples(words, isJava ? 0 : 1);
  if (!isJava) yield* dropHandlerFrames(collected);
  const samples = new LegacySamples();
  const pace = new Pace(SLICE);
  for (const { stack, count } of collected) {
    if (pace.isOver(stack.length + 10)) yield;
    if (!isJava) dropDoubledLeaf(stack);
    samples.add(stack, [count, count * period]);
  }
  const lines = words.lines();
  return isJava
    ? yield* buildWithPlaces(samples, header, lines, lines.next())
    : yield* buildWithMemoryMap(samples, header, lines);
}

/** Count, depth and addresses of each sample; 0, 1, 0 is the end. @param minus what callers' addresses are too high */
function* readSamples(words: Words, minus: number): Generator<void, CollectedSample[]> {
  const samples: CollectedSample[] = [];
  const pace = new Pace(SLICE);
  while (words.remaining >= 2) {
    const [count, depth] = [words.next(), words.next()];
    if (depth < 0 || depth > words.remaining) throw malformed('it ends within a sample');
    if (pace.isOver(depth + 2)) yield;
    const stack = Array.from({ length: depth }, (_, i) => words.next(i > 0 ? minus : 0));
    if (count === 0 && depth === 1 && stack[0] === 0) break;
    samples.push({ count, stack });
  }
  return samples;
}

/** Numbers of four or eight bytes; those of eight are signed, as profile.proto is read. */
class Words {
  private readonly view: DataView;
  private position = 0;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly width: 4 | 8,
    private readonly isLittleEndian: boolean,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get remaining(): number {
    return Math.floor((this.bytes.length - this.position) / this.width);
  }

  /** @param minus taken off */
  next(minus = 0): number {
    const { view, position, width, isLittleEndian } = this;
    this.position += width;
    if (width === 4) return view.getUint32(position, isLittleEndian) - minus;
    const high = view.getInt32(position + (isLittleEndian ? 4 : 0), isLittleEndian);
    return high * 2 ** 32 + (view.getUint32(position + (isLittleEndian ? 0 : 4), isLittleEndian) - minus);
  }

  /** What stands after the words. */
  lines(): Lines {
    return new Lines(this.bytes, this.position);
  }
}
