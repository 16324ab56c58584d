import { Interner } from './interner.js';
import type { Mapping, Profile } from './profile.js';

/** Mappings are the same if they have as many pages. */
const PAGE = 4096;

const UNKNOWN = -1;

/** The number of the empty text. */
export const NO_TEXT = 0;

/** The locations, functions, mappings and label texts of several profiles: those that are the same have one number. */
export class Places {
  /** By number, as the first profile has it. */
  readonly locations: { readonly source: Source; readonly index: number }[] = [];
  readonly functions: { readonly profile: Profile; readonly index: number }[] = [];
  /** The first one is the program's, and stays the first. */
  readonly mappings: Mapping[] = [];
  readonly texts = new Interner();
  private readonly locationNumbers = new Map<string, number>();
  private readonly functionNumbers = new Map<string, number>();
  private readonly mappingNumbers = new Map<string, number>();

  constructor() {
    this.texts.idOf('');
  }

  /** The numbers of what a profile has. */
  source(profile: Profile): Source {
    const [main] = profile.mappings;
    if (main && this.mappings.length === 0) this.mapping(main);
    return new Source(this, profile);
  }

  location(source: Source, index: number): number {
    const {
      address,
      mapping: mappings,
      lineStart,
      lineFunction,
      lineNumber,
      lineColumn,
    } = source.profile.locations;
    const mapping = source.profile.mappings[mappings[index]! - 1];
    let key = `${address[index]! - (mapping?.start ?? 0)}/${mapping ? this.mapping(mapping) : ''}`;
    for (let line = lineStart[index]!; line < lineStart[index + 1]!; line++) {
      key += `/${source.function(lineFunction[line]!)}:${lineNumber[line]}:${lineColumn[line]}`;
    }
    return numberOf(key, this.locationNumbers, this.locations, { source, index });
  }

  function(profile: Profile, index: number): number {
    const { name, systemName, filename, startLine } = profile.functions;
    const texts = [name, systemName, filename].map((column) => profile.strings[column[index]!]);
    const key = `${startLine[index]}\0${texts.join('\0')}`;
    return numberOf(key, this.functionNumbers, this.functions, { profile, index });
  }

  mapping(mapping: Mapping): number {
    const { start, limit, offset, buildId, filename } = mapping;
    const key = `${Math.ceil((limit - start) / PAGE)}/${offset}/${buildId || filename}`;
    return numberOf(key, this.mappingNumbers, this.mappings, mapping);
  }
}

/** The numbers that a profile's own entries have among all; each is looked up when it is asked for first. */
export class Source {
  private readonly locations: Int32Array;
  private readonly functions: Int32Array;
  private readonly texts: Int32Array;

  constructor(
    private readonly places: Places,
    readonly profile: Profile,
  ) {
    this.locations = new Int32Array(profile.locations.length).fill(UNKNOWN);
    this.functions = new Int32Array(profile.functions.length).fill(UNKNOWN);
    this.texts = new Int32Array(profile.strings.length).fill(UNKNOWN);
  }

  location(index: number): number {
    const known = this.locations[index]!;
    return known === UNKNOWN ? (this.locations[index] = this.places.location(this, index)) : known;
  }

  function(index: number): number {
    const known = this.functions[index]!;
    return known === UNKNOWN ? (this.functions[index] = this.places.function(this.profile, index)) : known;
  }

  text(index: number): number {
    const known = this.texts[index]!;
    return known === UNKNOWN
      ? (this.texts[index] = this.places.texts.idOf(this.profile.strings[index]!))
      : known;
  }
}

function numberOf<T>(key: string, numbers: Map<string, number>, entries: T[], entry: T): number {
  let number = numbers.get(key);
  if (number === undefined) {
    number = entries.push(entry) - 1;
    numbers.set(key, number);
  }
  return number;
}
