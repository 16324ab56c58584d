import { Interner } from './interner.js';
import type { Mapping, Profile, ProfileHeader } from './profile.js';
import { ProfileTables } from './profile-tables.js';

/** The number of the one mapping. */
const MAPPING = 1;

/** A place in the code, as a profile shows it. */
export interface PlaceInCode {
  readonly address: number;
  readonly functionName: string;
  readonly filename: string;
  /** Line at which the function begins; 0 where unknown. */
  readonly startLine: number;
  /** 0 where unknown. */
  readonly line: number;
  /** 0 where unknown. */
  readonly column: number;
}

/** Gathers a profile: places and samples in, a {@link Profile} out. Same strings, functions, locations are kept once. */
export class ProfileBuilder {
  private readonly strings = new Interner();
  private readonly tables = new ProfileTables();
  private readonly functionIndexes = new Map<string, number>();
  private readonly locationIndexes = new Map<number, number>();

  constructor() {
    this.strings.idOf('');
  }

  /** The index of a place; one that has the address of an earlier place is that place. */
  location(place: PlaceInCode): number {
    let index = this.locationIndexes.get(place.address);
    if (index === undefined) {
      index = this.tables.addLocation(place.address, MAPPING);
      this.locationIndexes.set(place.address, index);
      this.tables.addLine(this.functionOf(place), place.line, place.column);
    }
    return index;
  }

  /**
   * Adds a sample.
   *
   * @param stack indexes from {@link location}, leaf first
   * @param values in the order of the header's sample types
   */
  sample(
    stack: Iterable<number>,
    values: readonly number[],
    labels?: Readonly<Record<string, string | number>>,
  ): void {
    const { samples } = this.tables;
    this.tables.addSample();
    for (const location of stack) samples.stack.push(location);
    for (const value of values) samples.values.push(Math.round(value));
    for (const key in labels) this.label(key, labels[key]!);
  }

  /** Yields now and then. */
  build(header: ProfileHeader, program: string): Generator<void, Profile> {
    return this.tables.build(header, this.strings.all, [mappingOf(program)]);
  }

  private functionOf({ functionName, filename, startLine }: PlaceInCode): number {
    const key = `${functionName}\0${filename}\0${startLine}`;
    let index = this.functionIndexes.get(key);
    if (index === undefined) {
      const { strings } = this;
      index = this.tables.addFunction(strings.idOf(functionName), 0, strings.idOf(filename), startLine);
      this.functionIndexes.set(key, index);
    }
    return index;
  }

  private label(key: string, value: string | number): void {
    const { strings } = this;
    if (typeof value === 'string') this.tables.addLabel(strings.idOf(key), strings.idOf(value), 0, 0);
    else this.tables.addLabel(strings.idOf(key), 0, Math.round(value), 0);
  }
}

/** One mapping for all, with `hasFunctions`: otherwise `go tool pprof` looks for the binary and warns. */
function mappingOf(program: string): Mapping {
  return { start: 0, limit: 0, offset: 0, filename: program, buildId: '', hasFunctions: true };
}
