import { Interner } from './interner.js';
import type { Mapping, Profile } from './profile.js';
import { RowSet } from './row-set.js';

/** Entries between two yields. */
const SLICE = 100;

/** Mappings are the same if they have as many pages. */
const PAGE = 4096;

/** The number of the empty text. */
export const NO_TEXT = 0;

/** The cells of a function; texts by their numbers. */
export const FUNCTION = { startLine: 0, name: 1, systemName: 2, filename: 3, cells: 4 } as const;

/** The cells of a location, before its lines: its address in the mapping takes two; the mapping's number plus one, or 0. */
export const LOCATION = { address: 0, mapping: 2, cells: 3 } as const;

/** The cells of a line; the function by its number. */
export const LINE = { fn: 0, line: 1, column: 2, cells: 3 } as const;

/** By the indexes that a profile has, the numbers among all. */
export interface Numbers {
  readonly profile: Profile;
  readonly locations: Uint32Array;
  readonly texts: Uint32Array;
}

/** The locations, functions, mappings and texts of several profiles: those that are the same have one number. */
export class Places {
  readonly locations: RowSet;
  readonly functions: RowSet;
  /** The first one is the program's, and stays the first. */
  readonly mappings: Mapping[] = [];
  readonly texts = new Interner();
  private readonly mappingNumbers = new Map<string, number>();

  /** @param profiles those that will be added */
  constructor(profiles: readonly Profile[]) {
    const total = (count: (profile: Profile) => number): number =>
      profiles.reduce((sum, profile) => sum + count(profile), 0);
    const functions = total((profile) => profile.functions.length);
    const locations = total((profile) => profile.locations.length);
    const lines = total((profile) => profile.locations.lineFunction.length);
    this.functions = new RowSet(functions, functions * FUNCTION.cells);
    this.locations = new RowSet(locations, locations * LOCATION.cells + lines * LINE.cells);
    this.texts.idOf('');
  }

  *add(profile: Profile): Generator<void, Numbers> {
    const { strings, functions, locations } = profile;
    const texts = yield* numbersOf(strings.length, (i) => this.texts.idOf(strings[i]!));
    const functionNumbers = yield* numbersOf(functions.length, (i) => this.function(profile, i, texts));
    const mappings = profile.mappings.map((mapping) => this.mapping(mapping));
    const locationNumbers = yield* numbersOf(locations.length, (i) =>
      this.location(profile, i, mappings, functionNumbers),
    );
    return { profile, texts, locations: locationNumbers };
  }

  private function({ functions }: Profile, i: number, texts: Uint32Array): number {
    const rows = this.functions;
    rows.push(functions.startLine[i]!);
    rows.push(texts[functions.name[i]!]!);
    rows.push(texts[functions.systemName[i]!]!);
    rows.push(texts[functions.filename[i]!]!);
    return rows.close();
  }

  private location(
    { locations, mappings }: Profile,
    i: number,
    mappingNumbers: readonly number[],
    functionNumbers: Uint32Array,
  ): number {
    const rows = this.locations;
    const mapping = locations.mapping[i]! - 1;
    rows.pushWide(locations.address[i]! - (mappings[mapping]?.start ?? 0));
    rows.push(mapping < 0 ? 0 : mappingNumbers[mapping]! + 1);
    for (let line = locations.lineStart[i]!; line < locations.lineStart[i + 1]!; line++) {
      rows.push(functionNumbers[locations.lineFunction[line]!]!);
      rows.push(locations.lineNumber[line]!);
      rows.push(locations.lineColumn[line]!);
    }
    return rows.close();
  }

  private mapping(mapping: Mapping): number {
    const { start, limit, offset, buildId, filename } = mapping;
    const key = `${Math.ceil((limit - start) / PAGE)}/${offset}/${buildId || filename}`;
    let number = this.mappingNumbers.get(key);
    if (number === undefined) {
      number = this.mappings.push(mapping) - 1;
      this.mappingNumbers.set(key, number);
    }
    return number;
  }
}

function* numbersOf(length: number, numberOf: (i: number) => number): Generator<void, Uint32Array> {
  const numbers = new Uint32Array(length);
  for (let i = 0; i < length; i++) {
    if (i % SLICE === SLICE - 1) yield;
    numbers[i] = numberOf(i);
  }
  return numbers;
}
