import { GrowingArray } from './growing-array.js';
import type { Profile, ProfileHeader } from './profile.js';

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
  private readonly strings = new Interner<string>();
  private readonly functionIds = new Map<string, number>();
  private readonly locationIds = new Map<number, number>();

  private readonly functionName = GrowingArray.uint32();
  private readonly functionFilename = GrowingArray.uint32();
  private readonly functionStartLine = GrowingArray.uint32();

  private readonly address = GrowingArray.float64();
  private readonly locationFunction = GrowingArray.uint32();
  private readonly locationLine = GrowingArray.uint32();
  private readonly locationColumn = GrowingArray.uint32();

  private readonly stackStart = GrowingArray.uint32();
  private readonly stack = GrowingArray.uint32();
  private readonly values = GrowingArray.float64();
  private readonly labelStart = GrowingArray.uint32();
  private readonly labelKey = GrowingArray.uint32();
  private readonly labelText = GrowingArray.uint32();
  private readonly labelNumber = GrowingArray.float64();
  private readonly labelUnit = GrowingArray.uint32();

  constructor() {
    this.strings.idOf('');
  }

  /** The index of a place; one that has the address of an earlier place is that place. */
  location(place: PlaceInCode): number {
    const known = this.locationIds.get(place.address);
    if (known !== undefined) return known;
    const id = this.address.length;
    this.locationIds.set(place.address, id);
    this.address.push(place.address);
    this.locationFunction.push(this.functionOf(place));
    this.locationLine.push(place.line);
    this.locationColumn.push(place.column);
    return id;
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
    this.stackStart.push(this.stack.length);
    this.labelStart.push(this.labelKey.length);
    for (const location of stack) this.stack.push(location);
    for (const value of values) this.values.push(Math.round(value));
    for (const key in labels) this.label(key, labels[key]!);
  }

  /** Yields now and then. */
  *build(header: ProfileHeader, program: string): Generator<void, Profile> {
    const samples = this.stackStart.length;
    this.stackStart.push(this.stack.length);
    this.labelStart.push(this.labelKey.length);
    return {
      ...header,
      program,
      strings: this.strings.all,
      functions: {
        length: this.functionName.length,
        name: yield* this.functionName.toArray(),
        filename: yield* this.functionFilename.toArray(),
        startLine: yield* this.functionStartLine.toArray(),
      },
      locations: {
        length: this.address.length,
        address: yield* this.address.toArray(),
        function: yield* this.locationFunction.toArray(),
        line: yield* this.locationLine.toArray(),
        column: yield* this.locationColumn.toArray(),
      },
      samples: {
        length: samples,
        stackStart: yield* this.stackStart.toArray(),
        stack: yield* this.stack.toArray(),
        values: yield* this.values.toArray(),
        labelStart: yield* this.labelStart.toArray(),
        labelKey: yield* this.labelKey.toArray(),
        labelText: yield* this.labelText.toArray(),
        labelNumber: yield* this.labelNumber.toArray(),
        labelUnit: yield* this.labelUnit.toArray(),
      },
    };
  }

  private functionOf(place: PlaceInCode): number {
    const key = `${place.functionName}\0${place.filename}\0${place.startLine}`;
    let id = this.functionIds.get(key);
    if (id === undefined) {
      id = this.functionName.length;
      this.functionIds.set(key, id);
      this.functionName.push(this.strings.idOf(place.functionName));
      this.functionFilename.push(this.strings.idOf(place.filename));
      this.functionStartLine.push(place.startLine);
    }
    return id;
  }

  private label(key: string, value: string | number): void {
    this.labelKey.push(this.strings.idOf(key));
    this.labelText.push(typeof value === 'string' ? this.strings.idOf(value) : 0);
    this.labelNumber.push(typeof value === 'number' ? value : 0);
    this.labelUnit.push(0);
  }
}

class Interner<T> {
  readonly all: T[] = [];
  private readonly ids = new Map<T, number>();

  idOf(value: T): number {
    let id = this.ids.get(value);
    if (id === undefined) {
      id = this.all.push(value) - 1;
      this.ids.set(value, id);
    }
    return id;
  }
}
