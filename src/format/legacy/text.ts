import { Pace } from './pace.js';
import { quoted } from './quote.js';
import { sortedInSlices } from './sort.js';
import { StackTexts } from './stacks.js';
import type { Profile } from '../profile.js';

/** Samples, entries of stacks, and characters between two yields. */
const SLICE = 200;
const FRAMES = 2000;
const CHARACTERS = 16 * 1024;
/** Characters of a piece: V8 moves no string as large as this when it collects garbage. */
const PIECE = 256 * 1024;

/** What stands for a stack without frames where clients accept no empty one; Go's threadcreate has it too. */
const NO_FRAMES = ' 0x0';

/** What differs between the kinds of texts. */
interface Records {
  readonly header: string;
  /** In the order of the text. */
  readonly records: readonly number[];
  /** What stands before the comment of its stack. */
  readonly lineOf: (record: number) => string;
  readonly sampleOf: (record: number) => number;
}

type RecordsOf = (name: string, profile: Profile, stacks: StackTexts) => Generator<void, Records>;

/** The first one that fits is the profile's. */
const KINDS: readonly { readonly fits: (profile: Profile) => boolean; readonly recordsOf: RecordsOf }[] = [
  { fits: isHeap, recordsOf: heapRecords },
  { fits: isContention, recordsOf: contentionRecords },
  { fits: () => true, recordsOf: countRecords },
];

/**
 * Go's text of a profile (`debug=1`), in pieces. Yields now and then.
 *
 * @param trailer lines that follow the records
 * @see https://pkg.go.dev/runtime/pprof#Profile.WriteTo
 */
export function* legacyText(
  name: string,
  profile: Profile,
  trailer: readonly string[] = [],
): Generator<void, string[]> {
  const stacks = new StackTexts(profile);
  const { recordsOf } = KINDS.find(({ fits }) => fits(profile))!;
  const { header, records, lineOf, sampleOf } = yield* recordsOf(name, profile, stacks);
  const pieces = new Pieces(header);
  const pace = new Pace(CHARACTERS);
  for (const record of records) {
    const text = `${lineOf(record)}\n${stacks.comment(sampleOf(record))}\n`;
    pieces.add(text);
    if (pace.isOver(text.length)) yield;
  }
  if (trailer.length > 0) pieces.add(`\n${trailer.join('\n')}\n`);
  return pieces.all();
}

/** Joins small texts to large pieces. */
class Pieces {
  private readonly pieces: string[] = [];
  private texts: string[];
  private length = 0;

  constructor(first: string) {
    this.texts = [first];
  }

  add(text: string): void {
    this.texts.push(text);
    this.length += text.length;
    if (this.length >= PIECE) this.join();
  }

  all(): string[] {
    this.join();
    return this.pieces;
  }

  private join(): void {
    this.pieces.push(this.texts.join(''));
    this.texts = [];
    this.length = 0;
  }
}

function isHeap({ sampleTypes, periodType }: Profile): boolean {
  const last = sampleTypes.at(-1);
  return (
    sampleTypes.length === 4 &&
    last?.type === 'inuse_space' &&
    last.unit === 'bytes' &&
    periodType.type === 'space'
  );
}

function isContention({ sampleTypes: [first, second] }: Profile): boolean {
  return first?.type === 'contentions' && second?.type === 'delay';
}

/** In-use bytes ascending, as Go has them since 1.23. */
function* heapRecords(_name: string, profile: Profile, stacks: StackTexts): Generator<void, Records> {
  const { samples, period } = profile;
  const sizes = new ObjectSizes(profile);
  const raw = new Float64Array(samples.length * 4);
  const totals = [0, 0, 0, 0];
  const records: number[] = [];
  for (let i = 0; i < samples.length; i++) {
    if (i % SLICE === 0) yield;
    const [allocated, inUse] = [i * 4, i * 4 + 2];
    for (const at of [allocated, inUse]) {
      const [count, bytes] = [samples.values[at]!, samples.values[at + 1]!];
      raw.set(sampledPair(count, bytes, sizes.of(i, bytes / count), period), at);
    }
    if (raw[allocated] === 0 && raw[inUse] === 0) continue;
    records.push(i);
    for (let value = 0; value < 4; value++) totals[value]! += raw[allocated + value]!;
  }
  // Clients that find both totals the same take what is allocated for what is in use.
  if (totals[1] === totals[3]) totals[1]!++;
  return {
    header: `heap profile: ${heapValues(totals, 0)} @ heap/${2 * period}\n`,
    records: yield* sortedInSlices(records, (a, b) => raw[a * 4 + 3]! - raw[b * 4 + 3]!),
    lineOf: (i) => `${heapValues(raw, i * 4)} @${stacks.addresses(i)}`,
    sampleOf: (i) => i,
  };
}

/** The size of a sample's objects: its label tells, where the mean suffers from a count that was rounded. */
class ObjectSizes {
  private readonly key: number;

  constructor(private readonly profile: Profile) {
    this.key = profile.strings.indexOf('bytes');
  }

  of(sample: number, mean: number): number {
    const { labelStart, labelKey, labelNumber } = this.profile.samples;
    for (let i = labelStart[sample]!; i < labelStart[sample + 1]!; i++) {
      const size = labelNumber[i]!;
      // A count of 1 may have been nearly 2; what is farther away means something else.
      if (labelKey[i] === this.key && size > 0 && mean > size / 2 && mean < size * 2) return size;
    }
    return mean;
  }
}

/**
 * Count and bytes before they were scaled up, which clients of the text do themselves: a sample stands for
 * 1 / (1 - exp(-size / period)) objects.
 */
function sampledPair(count: number, bytes: number, size: number, period: number): readonly [number, number] {
  if (count === 0) return [0, 0];
  if (period <= 1) return [count, bytes];
  if (bytes === 0) return [0, 0];
  const sampled = Math.round((bytes / size) * (1 - Math.exp(-Math.abs(size) / period)));
  return [sampled, Math.round(sampled * size)];
}

function heapValues(values: ArrayLike<number>, at: number): string {
  return `${values[at + 2]}: ${values[at + 3]} [${values[at]}: ${values[at + 1]}]`;
}

/** Delay descending. Cycles are nanoseconds. */
function* contentionRecords(name: string, profile: Profile, stacks: StackTexts): Generator<void, Records> {
  const { samples, sampleTypes } = profile;
  const period = name === 'mutex' ? Math.max(1, profile.period) : 1; // clients multiply by what the text says
  const value = (sample: number, type: number): number =>
    Math.round(samples.values[sample * sampleTypes.length + type]! / period);
  return {
    header:
      name === 'mutex'
        ? `--- mutex:\ncycles/second=1000000000\nsampling period=${period}\n`
        : '--- contention:\ncycles/second=1000000000\n',
    records: yield* sortedInSlices(numbersTo(samples.length), (a, b) => value(b, 1) - value(a, 1)),
    lineOf: (i) => `${value(i, 1)} ${value(i, 0)} @${stacks.addresses(i)}`,
    sampleOf: (i) => i,
  };
}

function* numbersTo(length: number): Generator<number, void> {
  for (let i = 0; i < length; i++) yield i;
}

/** Counts descending, then by stack and labels; those with the same stack and labels are one. */
function* countRecords(name: string, profile: Profile, stacks: StackTexts): Generator<void, Records> {
  const { samples, sampleTypes } = profile;
  const labels = new LabelTexts(profile);
  const pace = new Pace(FRAMES);
  const groups = new Map<string, number>();
  const [keys, firsts, counts]: [string[], number[], number[]] = [[], [], []];
  let total = 0;
  for (let i = 0; i < samples.length; i++) {
    if (pace.isOver(20 + stacks.depth(i))) yield;
    const key = `@${stacks.addresses(i) || NO_FRAMES}${labels.line(i)}`;
    const count = samples.values[i * sampleTypes.length] ?? 0;
    const group = groups.get(key);
    total += count;
    if (group !== undefined) {
      counts[group]! += count;
      continue;
    }
    groups.set(key, keys.push(key) - 1);
    firsts.push(i);
    counts.push(count);
  }
  const byCountAndKey = (a: number, b: number): number =>
    counts[b]! - counts[a]! || (keys[a]! < keys[b]! ? -1 : 1);
  return {
    header: `${name.replaceAll(/\s/g, '_')} profile: total ${total}\n`, // clients accept no spaces in it
    records: yield* sortedInSlices(keys.keys(), byCountAndKey),
    lineOf: (group) => `${counts[group]} ${keys[group]}`,
    sampleOf: (group) => firsts[group]!,
  };
}

/** The line of a sample's labels, which clients skip. */
class LabelTexts {
  private readonly quotedStrings: (string | undefined)[];

  constructor(private readonly profile: Profile) {
    this.quotedStrings = Array.from({ length: profile.strings.length });
  }

  line(sample: number): string {
    const { labelStart, labelKey, labelText } = this.profile.samples;
    const labels: string[] = [];
    for (let i = labelStart[sample]!; i < labelStart[sample + 1]!; i++) {
      if (labelText[i] !== 0) labels.push(`${this.quoted(labelKey[i]!)}:${this.quoted(labelText[i]!)}`);
    }
    return labels.length > 0 ? `\n# labels: {${labels.sort().join(', ')}}` : '';
  }

  private quoted(index: number): string {
    return (this.quotedStrings[index] ??= quoted(this.profile.strings[index]!));
  }
}
