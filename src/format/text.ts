import { textName } from './names.js';
import { Pieces } from './pieces.js';
import { labelsOf, type Profile } from './profile.js';

/**
 * Go's text format of a profile (`debug=1`): addresses for clients, and comments for people.
 *
 * @see https://github.com/golang/go/blob/master/src/runtime/pprof/pprof.go
 * @see https://github.com/google/pprof/blob/main/profile/legacy_profile.go
 */

/** Samples between two yields. */
const SLICE = 20;
const TAB_WIDTH = 8;
/** Maximum number of locations per stack, since clients reject lines above 64 KiB. */
const DEEPEST = 1000;

/** The differences between types of profiles. */
interface Kind {
  /** Formats the values of a sample. */
  readonly valuesOf: (profile: Profile, sample: number) => number[];
  readonly show: (values: readonly number[]) => string;
  /** Sort key of samples, ascending. */
  readonly order: (values: readonly number[]) => number;
  readonly header: (name: string, totals: readonly number[], profile: Profile) => string;
}

const HEAP: Kind = {
  valuesOf(profile, sample) {
    const { values, labelSet } = profile.samples;
    const size = Number(labelsOf(profile, labelSet[sample]!).bytes);
    const pair = (at: number): number[] => sampledPair(values[at]!, values[at + 1]!, size, profile.period);
    return [...pair(sample * 4), ...pair(sample * 4 + 2)];
  },
  show: ([allocObjects, allocBytes, objects, bytes]) =>
    `${objects}: ${bytes} [${allocObjects}: ${allocBytes}]`,
  order: (values) => values[3]!, // bytes in use, as in Go since 1.23
  header(_name, [allocObjects = 0, allocBytes = 0, objects = 0, bytes = 0], { period }) {
    // Clients that find the same bytes twice read two columns instead of four.
    const differing = allocBytes === bytes ? allocBytes + 1 : allocBytes;
    return `heap profile: ${HEAP.show([allocObjects, differing, objects, bytes])} @ heap/${2 * period}`;
  },
};

const CONTENTION: Kind = {
  valuesOf: ({ samples }, sample) => [...samples.values.subarray(sample * 2, sample * 2 + 2)],
  show: ([contentions, delay]) => `${delay} ${contentions}`,
  order: (values) => -values[1]!,
  header: (name) =>
    name === 'mutex'
      ? '--- mutex:\ncycles/second=1000000000\nsampling period=1'
      : '--- contention:\ncycles/second=1000000000', // so that cycles are nanoseconds
};

const COUNTS: Kind = {
  valuesOf: ({ samples, sampleTypes }, sample) => [samples.values[sample * sampleTypes.length]!],
  show: ([count]) => `${count}`,
  order: ([count]) => -count!,
  // Clients don't accept spaces in the name.
  header: (name, [total = 0]) => `${name.replaceAll(/\s/g, '_')} profile: total ${total}`,
};

/** Formats by sample types; all others are counts. */
const KINDS = new Map([
  ['alloc_objects alloc_space inuse_objects inuse_space', HEAP],
  ['contentions delay', CONTENTION],
]);

/**
 * Writes the text of a profile, in pieces. Yields now and then.
 *
 * @param trailer lines after the samples, each a comment that starts with `#`
 */
export function* legacyText(
  name: string,
  profile: Profile,
  trailer: readonly string[] = [],
): Generator<void, string[]> {
  const kind = KINDS.get(profile.sampleTypes.map(({ type }) => type).join(' ')) ?? COUNTS;
  const stacks = new StackTexts(profile);
  const totals: number[] = [];
  const rows: { sample: number; order: number; values: string; key: string }[] = [];
  for (let sample = 0; sample < profile.samples.length; sample++) {
    if (sample % SLICE === 0) yield;
    const values = kind.valuesOf(profile, sample);
    if (!values.some((value) => value > 0)) continue;
    for (const [i, value] of values.entries()) totals[i] = (totals[i] ?? 0) + value;
    const key = `@${stacks.addresses(sample)}${labelLine(profile, profile.samples.labelSet[sample]!)}`;
    rows.push({ sample, order: kind.order(values), values: kind.show(values), key });
  }
  rows.sort((a, b) => a.order - b.order || (a.key < b.key ? -1 : 1));

  const pieces = new Pieces();
  pieces.add(`${kind.header(name, totals, profile)}\n`);
  for (const [i, { sample, values, key }] of rows.entries()) {
    if (i % SLICE === 0) yield;
    pieces.add(`${values} ${key}\n${stacks.comment(sample)}\n`);
  }
  if (trailer.length > 0) pieces.add(`\n${trailer.join('\n')}\n`);
  return pieces.all();
}

/**
 * The number of sampled objects and their bytes before scaling: each one represents 1 / (1 - exp(-size / period)) objects, and clients
 * of the text format scale the values again.
 *
 * @param label object size in the sample's label, which is exact, while the mean is of a rounded count
 */
function sampledPair(count: number, bytes: number, label: number, period: number): [number, number] {
  if (count === 0) return [0, 0];
  if (period <= 1) return [count, bytes];
  const mean = bytes / count;
  const size = mean > label / 2 && mean < label * 2 ? label : mean; // otherwise the label means something else
  const sampled = size > 0 ? Math.round((bytes / size) * (1 - Math.exp(-size / period))) : 0;
  return [sampled, Math.round(sampled * size)];
}

/** The comment for text labels, as in Go; empty if there are none. */
function labelLine(profile: Profile, labelSet: number): string {
  const labels = Object.entries(labelsOf(profile, labelSet)).filter(([, value]) => typeof value === 'string');
  const texts = labels.map((label) => label.map((text) => JSON.stringify(text)).join(':'));
  return texts.length > 0 ? `\n${textName(`# labels: {${texts.join(', ')}}`)}` : '';
}

/** The columns of a location in the comment of a stack. */
interface Row {
  readonly address: string;
  readonly name: string;
  readonly nameWidth: number;
  /** Empty if unknown. */
  readonly place: string;
}

/** Formats the stacks of a profile; each location is formatted once. */
class StackTexts {
  private readonly addressTexts: (string | undefined)[] = [];
  private readonly rows: (Row | undefined)[] = [];

  constructor(private readonly profile: Profile) {}

  /** The addresses, each plus one: clients expect return addresses and subtract one. */
  addresses(sample: number): string {
    const { address } = this.profile.locations;
    const texts = Array.from(
      this.stackOf(sample),
      (at) => (this.addressTexts[at] ??= ` 0x${(address[at]! + 1).toString(16)}`),
    );
    return texts.join('');
  }

  /** One line per location, leaf first, aligned like Go's text/tabwriter. */
  comment(sample: number): string {
    const rows = Array.from(this.stackOf(sample), (at) => (this.rows[at] ??= this.rowOf(at)));
    const addressWidth = greatest(rows, ({ address }) => address.length);
    const nameWidth = greatest(rows, ({ nameWidth, place }) => (place ? nameWidth : 0));
    const lines = rows.map((row) => {
      const place = row.place && tabs(row.nameWidth, nameWidth) + row.place;
      return `#\t${row.address}${tabs(row.address.length, addressWidth)}${row.name}${place}\n`;
    });
    return lines.join('');
  }

  private stackOf(sample: number): Uint32Array {
    const { stack, stackStart } = this.profile.samples;
    const start = stackStart[sample]!;
    return stack.subarray(start, Math.min(stackStart[sample + 1]!, start + DEEPEST));
  }

  private rowOf(location: number): Row {
    const { locations, functions, strings } = this.profile;
    const fn = locations.function[location]!;
    const filename = textName(strings[functions.filename[fn]!]!);
    const name = textName(strings[functions.name[fn]!]!) + (filename && '+0x0'); // V8 reports no offset in a function
    return {
      address: `0x${locations.address[location]!.toString(16)}`,
      name,
      nameWidth: Array.from(name).length, // in characters, as in tabwriter
      place: filename && `${filename}:${locations.line[location]}`,
    };
  }
}

/** The tabs after a cell of a column, at least one. */
function tabs(width: number, widest: number): string {
  const columnWidth = Math.ceil((widest + 1) / TAB_WIDTH) * TAB_WIDTH;
  return '\t'.repeat(Math.ceil((columnWidth - width) / TAB_WIDTH));
}

function greatest<T>(entries: readonly T[], of: (entry: T) => number): number {
  return entries.reduce((most, entry) => Math.max(most, of(entry)), 0);
}
