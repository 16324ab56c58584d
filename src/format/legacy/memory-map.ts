import { addressOfHex, Lines } from './lines.js';
import type { LegacyHeader, LegacySamples } from './samples.js';
import type { Mapping, Profile } from '../profile.js';

/**
 * The memory map at the end of a legacy file: lines of /proc/self/maps, or shorter ones.
 *
 * @see https://github.com/google/pprof/blob/main/profile/legacy_profile.go
 */

const SENTINELS = ['--- Memory map: ---', 'MAPPED_LIBRARIES:'];

/** What is as long as a number can be, so that a line of nothing but digits takes no time that grows by its square. */
const HEX = '(?:0x)?([0-9a-fA-F]{1,32})';
const SPACE = '[\\t\\n\\f\\r ]';
const RANGE = `^${SPACE}*${HEX}(?:${SPACE}|-)?${SPACE}*${HEX}:?(?:${SPACE}+(?<perms>[-rwxp]+))?`;
const FILE = `(?:${SPACE}+(?<file>[^\\t\\n\\f\\r ]+))?`;
const PROC_MAPS = new RegExp(
  `${RANGE}(?:${SPACE}+(?<offset>[0-9a-fA-F]+))?${SPACE}+[0-9a-fA-F]+:[0-9a-fA-F]+${SPACE}+\\d+${FILE}`,
);
const BRIEF_MAPS = new RegExp(
  `${RANGE}${FILE}(?:${SPACE}+\\(@(?<offset>[0-9a-fA-F]+)\\))?(?:${SPACE}+(?<buildId>[0-9a-fA-F]+))?`,
);
/** What glog puts before a line. */
const LOG_PREFIX = new RegExp(`^[^\\[\\]]+:[0-9]+\\]${SPACE}`);

/** Real files have one or two short ones; each is looked for in each line. */
const MOST_ATTRIBUTES = 100;
const LONGEST_ATTRIBUTE = 1024;

const LIBRARY = /\.so$|\.so[._]\d+/;
const USUAL_START = 0x400000;

type Range = { -readonly [Key in keyof Mapping]: Mapping[Key] };

export function isMemoryMapSentinel(line: string): boolean {
  return SENTINELS.some((sentinel) => line.includes(sentinel));
}

/** Looks for the memory map from a line on, and builds the profile with it. Yields now and then. */
export function* buildWithSections(
  samples: LegacySamples,
  header: LegacyHeader,
  lines: Lines,
  line: string | undefined,
): Generator<void, Profile> {
  while (line !== undefined && !isMemoryMapSentinel(line)) {
    if (lines.isTimeToYield(line)) yield;
    line = lines.next();
  }
  return yield* buildWithMemoryMap(samples, header, lines);
}

/** Builds the profile with the memory map that the rest of the lines is. Yields now and then. */
export function* buildWithMemoryMap(
  samples: LegacySamples,
  header: LegacyHeader,
  lines: Lines,
): Generator<void, Profile> {
  const map = new MemoryMap(yield* readRanges(lines));
  return yield* samples.build(header, map.mappings, (address) => {
    samples.tables.addLocation(address, map.numberOf(address));
  });
}

function* readRanges(lines: Lines): Generator<void, Range[]> {
  const attributes = new Attributes();
  const ranges: Range[] = [];
  for (let line = lines.next(); line !== undefined; line = lines.next()) {
    if (lines.isTimeToYield(line)) yield;
    const replaced = attributes.replacedIn(line.replace(LOG_PREFIX, ''));
    const range = rangeOf(replaced);
    if (range) ranges.push(range);
    else if (range === undefined) attributes.add(replaced);
  }
  return ranges;
}

/** Lines `name=value`: they define what `$name` is in later lines. */
class Attributes {
  private readonly values = new Map<string, string>();
  private pattern: RegExp | undefined;

  add(line: string): void {
    const equals = line.indexOf('=');
    if (equals < 0 || line.length > LONGEST_ATTRIBUTE || this.values.size >= MOST_ATTRIBUTES) return;
    const name = `$${line.slice(0, equals).trim()}`;
    if (this.values.has(name)) return;
    this.values.set(name, line.slice(equals + 1).trim());
    const names = [...this.values.keys()].map((known) => known.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
    this.pattern = new RegExp(names.join('|'), 'g');
  }

  replacedIn(line: string): string {
    if (!this.pattern || line.length > LONGEST_ATTRIBUTE) return line;
    return line.replace(this.pattern, (name) => this.values.get(name)!);
  }
}

/** Undefined for a line that is none; null for a range that holds no code. */
function rangeOf(line: string): Range | null | undefined {
  const found = PROC_MAPS.exec(line) ?? BRIEF_MAPS.exec(line);
  if (!found) return undefined;
  const { perms, offset, file, buildId } = found.groups!;
  if (perms && !perms.includes('x')) return null;
  try {
    return {
      start: addressOfHex(found[1]!),
      limit: addressOfHex(found[2]!),
      offset: addressOfHex(offset ?? '0'),
      filename: file ?? '',
      buildId: buildId ?? '',
      hasFunctions: false,
    };
  } catch {
    return undefined; // numbers of more than 64 bits: a line that is something else
  }
}

/** Finds the mapping of each address, with google/pprof's repairs of what known producers get wrong. */
class MemoryMap {
  readonly mappings: Range[];
  /** Number of the mapping for addresses that are in none; 0: there is no such mapping yet. */
  private everything = 0;

  constructor(ranges: readonly Range[]) {
    this.mappings = withMainFirst(joined(ranges));
    const [first, second] = this.mappings;
    if (first?.filename.startsWith('/anon_hugepage') && first.limit === second?.start) this.mappings.shift();
    const [main] = this.mappings;
    if (main && main.start - main.offset === USUAL_START) startAt(main, USUAL_START);
  }

  /** The number of an address's mapping, or 0. */
  numberOf(address: number): number {
    if (address === 0) return 0;
    const at = unsigned(address);
    const holds = ({ start, limit }: Range): boolean => unsigned(start) <= at && at < unsigned(limit);
    return this.find(holds) || this.findCutOff(at) || this.everythingElse();
  }

  /** A mapping whose first part is missing: its offset tells. */
  private findCutOff(at: number): number {
    const number = this.find((range) => {
      const [start, begin] = [unsigned(range.start), unsigned(range.start) - range.offset];
      return range.offset > 0 && begin >= 0 && begin <= at && at < start;
    });
    const range = this.mappings[number - 1];
    if (range) startAt(range, range.start - range.offset);
    return number;
  }

  /** Clients look for symbols only of locations that are in a mapping. */
  private everythingElse(): number {
    this.everything ||= this.mappings.push({ ...NOWHERE });
    return this.everything;
  }

  private find(fits: (range: Range) => boolean): number {
    return this.mappings.findIndex(fits) + 1;
  }
}

/** From 0 to 2^64 - 1, which is -1 as profile.proto is read. */
const NOWHERE: Mapping = { start: 0, limit: -1, offset: 0, filename: '', buildId: '', hasFunctions: false };

function unsigned(address: number): number {
  return address < 0 ? address + 2 ** 64 : address;
}

function startAt(range: Range, start: number): void {
  range.start = start;
  range.offset = 0;
}

/** Neighbouring ranges of one file are one mapping. */
function joined(ranges: readonly Range[]): Range[] {
  const all: Range[] = [];
  for (const range of ranges) {
    const before = all.at(-1);
    if (!before || !areParts(before, range)) {
      all.push(range);
      continue;
    }
    before.limit = range.limit;
    before.filename = range.filename || before.filename;
    before.buildId = range.buildId || before.buildId;
  }
  return all;
}

function areParts(a: Range, b: Range): boolean {
  return (
    a.limit === b.start &&
    mayBeSame(a.filename, b.filename) &&
    mayBeSame(a.buildId, b.buildId) &&
    (a.offset === 0 || b.offset === 0 || a.offset + (a.limit - a.start) === b.offset)
  );
}

function mayBeSame(a: string, b: string): boolean {
  return a === '' || b === '' || a === b;
}

/** The program comes first: clients print its name. */
function withMainFirst(ranges: Range[]): Range[] {
  const main = ranges.findIndex(({ filename }) => {
    const file = filename.replaceAll('(deleted)', '').trim();
    return file !== '' && !file.startsWith('[') && !LIBRARY.test(file);
  });
  if (main > 0) [ranges[0], ranges[main]] = [ranges[main]!, ranges[0]!];
  return ranges;
}
