import { addressOf } from '../address.js';
import { scaledUp } from './heap.js';
import { addressesIn, addressOfHex, int64, Lines, malformed } from './lines.js';
import { countOf, LegacySamples, type LegacyHeader } from './samples.js';
import type { Profile, ValueType } from '../profile.js';

/**
 * Java's heapz and contentionz, and the part of its legacy CPU profiles that is text. Their addresses are numbers of
 * the file alone, and at its end stands what is there.
 *
 * @see https://github.com/google/pprof/blob/main/profile/legacy_java_profile.go
 */

const ATTRIBUTE = /(?<![\w ])([\w ]+)=([\w ]+)/;
const SAMPLE = /(?<!\d)(\d+) +(\d+) +@ +([ x0-9a-f]*)/;
const LOCATION = /^0x([0-9a-fA-F]{1,32})[\t\n\f\r ]+(.*)$/s;
/** Cut into two, since as one pattern they would take a time that grows by the square of the line. */
const LINE_NUMBER = /:(-?\d+)\)$/;
const NAME_AND_FILE = /^(.*)[\t\n\f\r ]\((.+)$/s;

/** Of all Java programs. */
const HEAP_PERIOD = 524_288;

/** What differs between the kinds. */
interface JavaKind {
  readonly sampleTypes: (resolution: string) => readonly ValueType[];
  readonly attributes: readonly string[];
  readonly add: (samples: LegacySamples, stack: readonly number[], values: Values, period: number) => void;
}
type Values = readonly [count: number, amount: number];

const KINDS: Readonly<Record<string, JavaKind>> = {
  '--- heapz 1 ---': {
    sampleTypes: (unit) => [countOf('inuse_objects'), { type: 'inuse_space', unit }],
    attributes: ['format', 'resolution'],
    add: addHeapSample,
  },
  '--- contentionz 1 ---': {
    sampleTypes: (unit) => [countOf('contentions'), { type: 'delay', unit }],
    attributes: ['format', 'resolution', 'sampling period', 'ms since reset'],
    add: addContentionSample,
  },
};

/** Undefined for what is none. */
export function* parseJava(bytes: Uint8Array): Generator<void, Profile | undefined> {
  const lines = new Lines(bytes);
  const first = lines.header().trim();
  const kind = Object.hasOwn(KINDS, first) ? KINDS[first]! : undefined;
  const above = kind && (yield* readAttributes(lines, kind));
  if (!above) return undefined;
  const { attributes } = above;
  const header: LegacyHeader = headerOf(kind, attributes);
  const samples = new LegacySamples();
  let { line } = above;
  for (; line !== undefined; line = lines.next()?.trim()) {
    if (lines.isTimeToYield(line)) yield;
    if (line === '') continue;
    const [, amount, count, addresses] = SAMPLE.exec(line) ?? [];
    if (!amount) break;
    kind.add(samples, addressesIn(addresses!), [int64(count!), int64(amount)], header.period);
  }
  return yield* buildWithPlaces(samples, header, lines, line);
}

/** Undefined where there is one that this format does not have; `line` is the one after them. */
function* readAttributes(
  lines: Lines,
  kind: JavaKind,
): Generator<void, { attributes: ReadonlyMap<string, string>; line: string | undefined } | undefined> {
  const attributes = new Map<string, string>();
  let line = lines.next()?.trim();
  for (; line !== undefined; line = lines.next()?.trim()) {
    if (lines.isTimeToYield(line)) yield;
    if (line === '') continue;
    const [, name, value] = ATTRIBUTE.exec(line) ?? [];
    if (name === undefined) break;
    if (!kind.attributes.includes(name.trim())) return undefined;
    attributes.set(name.trim(), value!.trim());
  }
  return (attributes.get('format') ?? 'java') === 'java' ? { attributes, line } : undefined;
}

function headerOf(kind: JavaKind, attributes: ReadonlyMap<string, string>): LegacyHeader {
  const resolution = attributes.get('resolution');
  if (resolution === undefined) throw malformed('it has no resolution');
  const period = attributes.get('sampling period');
  return {
    sampleTypes: kind.sampleTypes(resolution),
    periodType: period === undefined ? { type: '', unit: '' } : countOf('contentions'),
    period: int64(period ?? '0'),
    durationNanos: int64(attributes.get('ms since reset') ?? '0') * 1e6,
  };
}

function addHeapSample(samples: LegacySamples, stack: readonly number[], [count, bytes]: Values): void {
  if (count === 0) throw malformed('a sample of no objects');
  samples.add(stack, scaledUp(count, bytes, HEAP_PERIOD), Math.trunc(bytes / count));
}

function addContentionSample(
  samples: LegacySamples,
  stack: readonly number[],
  [count, delay]: Values,
  period: number,
): void {
  const factor = period === 0 ? 1 : period;
  samples.add(stack, [count * factor, delay * factor]);
}

interface JavaPlace {
  readonly name: string;
  readonly filename: string;
  readonly line: number;
}

/** Reads what the addresses are, from a line on, and builds the profile. Yields now and then. */
export function* buildWithPlaces(
  samples: LegacySamples,
  header: LegacyHeader,
  lines: Lines,
  line: string | undefined,
): Generator<void, Profile> {
  const places = new Map<number, JavaPlace>();
  for (; line !== undefined; line = lines.next()) {
    if (lines.isTimeToYield(line)) yield;
    const [, id, text] = LOCATION.exec(line.trim()) ?? [];
    if (id) places.set(addressOfHex(id), placeOf(text!));
  }
  const functions = new Map<string, number>();
  const { tables, strings } = samples;
  return yield* samples.build(header, [], (id) => {
    const place = places.get(id);
    if (!place) {
      tables.addLocation(id, 0);
      return;
    }
    // An address that is the same in another file too, unlike the id.
    const { name, filename, line: lineNumber } = place;
    tables.addLocation(addressOf(name, filename, lineNumber, 0), 0);
    const key = `${name}\0${filename}`;
    const fn = functions.get(key) ?? tables.addFunction(strings.idOf(name), 0, strings.idOf(filename), 0);
    functions.set(key, fn);
    tables.addLine(fn, lineNumber, 0);
  });
}

/** `function (file:line)`, `function (path of a library)`, or what is no function at all. */
function placeOf(text: string): JavaPlace {
  const number = LINE_NUMBER.exec(text);
  const [, name, filename] = (number && NAME_AND_FILE.exec(text.slice(0, number.index))) ?? [];
  if (filename) return { name: name!, filename, line: lineNumberOf(number![1]!) };
  const [, nameInLibrary, path] = (text.endsWith(')') && NAME_AND_FILE.exec(text.slice(0, -1))) || [];
  if (path) return { name: nameInLibrary!, filename: baseName(path), line: 0 };
  return { name: text.includes('generated stub/JIT') ? 'STUB' : text, filename: '', line: 0 };
}

/** 0 for what is none, such as -1 and -2 for methods without lines. */
function lineNumberOf(text: string): number {
  const number = Number(text);
  return number > 0 && number <= 0xffff_ffff ? number : 0;
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
