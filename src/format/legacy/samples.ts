import { Interner } from '../interner.js';
import { malformed } from './lines.js';
import { ProfileTables } from '../profile-tables.js';
import type { Mapping, Profile, ValueType } from '../profile.js';

/** Locations between two yields. */
const SLICE = 100;
const TWO_POW_63 = 2 ** 63;

/** What a legacy file says of itself. */
export interface LegacyHeader {
  readonly sampleTypes: readonly ValueType[];
  readonly periodType: ValueType;
  readonly period: number;
  readonly durationNanos?: number;
}

/** A value that each legacy format has: a number of something. */
export const countOf = (type: string): ValueType => ({ type, unit: 'count' });

/** Samples by address, while they are read. */
export class LegacySamples {
  readonly strings = new Interner();
  readonly tables = new ProfileTables();
  /** By address; a location is where it was found first. */
  private readonly locations = new Map<number, number>();

  constructor() {
    this.strings.idOf('');
  }

  /** @param blockSize of the sample's objects; 0 where there is none */
  add(stack: readonly number[], values: readonly number[], blockSize = 0): void {
    const { samples } = this.tables;
    this.tables.addSample();
    for (const address of stack) samples.stack.push(this.locationOf(address));
    for (const value of values) samples.values.push(checked(value));
    if (blockSize !== 0) this.tables.addLabel(this.strings.idOf('bytes'), 0, blockSize, 0);
  }

  /**
   * Yields now and then.
   *
   * @param addLocation adds the location of an address to the tables, and may add to the mappings
   */
  *build(
    header: LegacyHeader,
    mappings: readonly Mapping[],
    addLocation: (address: number) => void,
  ): Generator<void, Profile> {
    for (const [address, location] of this.locations) {
      if (location % SLICE === SLICE - 1) yield;
      addLocation(address);
    }
    const unsaid = { defaultSampleType: '', timeNanos: 0n, durationNanos: 0, comments: [] };
    return yield* this.tables.build({ ...unsaid, ...header }, this.strings.all, mappings);
  }

  private locationOf(address: number): number {
    let location = this.locations.get(address);
    if (location === undefined) {
      location = this.locations.size;
      this.locations.set(address, location);
    }
    return location;
  }
}

/** Values are scaled up when they are read: the result fits 64 bits too, or is no number at all. */
function checked(value: number): number {
  if (!(Math.abs(value) <= TWO_POW_63)) throw malformed('a value does not fit 64 bits');
  return value + 0; // no -0
}
