import { addressOf } from './address.js';
import { onOneLine } from './names.js';
import type { Labels, Profile, ProfileHeader } from './profile.js';

const { imul } = Math;

/** A place in the code, as shown in a profile. */
export interface PlaceInCode {
  readonly address: number;
  readonly functionName: string;
  readonly filename: string;
  /** First line of the function; 0 if unknown. */
  readonly startLine: number;
  /** 0 where unknown. */
  readonly line: number;
  /** 0 where unknown. */
  readonly column: number;
}

/** The location of a sample without a stack. Parca and Pyroscope reject profiles that have a sample without locations. */
export const NO_STACK: PlaceInCode = {
  address: addressOf('(no stack)', '', 0, 0),
  functionName: '(no stack)',
  filename: '',
  startLine: 0,
  line: 0,
  column: 0,
};

/** Number of chains in the index of samples. Fixed, because growing a large index holds the event loop. */
const CHAINS = 1 << 16;

/**
 * Builds a {@link Profile} from places and samples. Equal strings, functions, locations and samples are stored once; the values of
 * samples with the same stack and labels are added.
 */
export class ProfileBuilder {
  private readonly strings: string[] = [];
  private readonly stringIds = new Map<string, number>();
  private readonly functionIds = new Map<string, number>();
  private readonly locationIds = new Map<number, number>();
  private readonly labelSetIds = new Map<string, number>();

  private readonly functionName = GrowingArray.uint32();
  private readonly functionFilename = GrowingArray.uint32();
  private readonly functionStartLine = GrowingArray.uint32();

  private readonly address = GrowingArray.float64();
  private readonly locationFunction = GrowingArray.uint32();
  private readonly locationLine = GrowingArray.uint32();
  private readonly locationColumn = GrowingArray.uint32();

  private readonly labelStart = GrowingArray.uint32();
  private readonly labelKey = GrowingArray.uint32();
  private readonly labelText = GrowingArray.uint32();
  private readonly labelNumber = GrowingArray.float64();

  private readonly stackStart = GrowingArray.uint32();
  private readonly stack = GrowingArray.uint32();
  private readonly values = GrowingArray.float64();
  private readonly labelSet = GrowingArray.uint32();

  /** The index of samples: for each hash the last sample of the chain, and for each sample the previous one, plus one; 0 ends a chain. */
  private readonly lastOfChain = new Uint32Array(CHAINS);
  private readonly previousInChain = GrowingArray.uint32();
  private readonly hash = GrowingArray.uint32();

  constructor() {
    this.stringId('');
    this.stackStart.push(0);
    this.labelStart.push(0);
    this.labels({});
  }

  /** Returns the index of a place. Places with the same address are the same. */
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
   * Returns the index of a set of labels in any order; 0 for no labels. Omits labels without a key, and values that are empty or 0,
   * which profile.proto can't express.
   */
  labels(labels: Labels): number {
    const entries = Object.entries(labels)
      .filter(([key, value]) => key !== '' && value !== '' && value !== 0)
      .map(([key, value]) => [onOneLine(key), typeof value === 'string' ? onOneLine(value) : value] as const);
    const text = JSON.stringify(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
    const known = this.labelSetIds.get(text);
    if (known !== undefined) return known;
    for (const [key, value] of entries) {
      this.labelKey.push(this.stringId(key));
      this.labelText.push(typeof value === 'string' ? this.stringId(value) : 0);
      this.labelNumber.push(typeof value === 'number' ? value : 0);
    }
    this.labelStart.push(this.labelKey.length);
    const id = this.labelSetIds.size;
    this.labelSetIds.set(text, id);
    return id;
  }

  /**
   * Adds a sample.
   *
   * @param stack indexes from {@link location}, leaf first
   * @param values in the order of the header's sample types
   * @param labelSet index from {@link labels}
   */
  sample(stack: readonly number[], values: readonly number[], labelSet = 0): void {
    if (stack.length === 0) return this.sample([this.location(NO_STACK)], values, labelSet);
    const sample = this.sampleOf(stack, labelSet);
    const start = sample * values.length;
    for (let i = 0; i < values.length; i++) {
      if (start + i === this.values.length) this.values.push(0);
      this.values.increase(start + i, Math.round(values[i]!));
    }
  }

  /** Yields now and then. */
  *build(header: ProfileHeader, program: string): Generator<void, Profile> {
    return {
      ...header,
      program,
      strings: this.strings,
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
      labelSets: {
        length: this.labelSetIds.size,
        start: yield* this.labelStart.toArray(),
        key: yield* this.labelKey.toArray(),
        text: yield* this.labelText.toArray(),
        number: yield* this.labelNumber.toArray(),
      },
      samples: {
        length: this.labelSet.length,
        stackStart: yield* this.stackStart.toArray(),
        stack: yield* this.stack.toArray(),
        values: yield* this.values.toArray(),
        labelSet: yield* this.labelSet.toArray(),
      },
    };
  }

  private stringId(text: string): number {
    let id = this.stringIds.get(text);
    if (id === undefined) {
      id = this.strings.push(text) - 1;
      this.stringIds.set(text, id);
    }
    return id;
  }

  private functionOf(place: PlaceInCode): number {
    const key = `${place.functionName}\0${place.filename}\0${place.startLine}`;
    let id = this.functionIds.get(key);
    if (id === undefined) {
      id = this.functionName.length;
      this.functionIds.set(key, id);
      this.functionName.push(this.stringId(onOneLine(place.functionName)));
      this.functionFilename.push(this.stringId(onOneLine(place.filename)));
      this.functionStartLine.push(place.startLine);
    }
    return id;
  }

  /** Returns the index of the sample with this stack and these labels; adds it if it is new. */
  private sampleOf(stack: readonly number[], labelSet: number): number {
    const hash = hashOf(stack, labelSet);
    const chain = hash % CHAINS;
    for (let next = this.lastOfChain[chain]!; next > 0; next = this.previousInChain.at(next - 1)) {
      if (this.hash.at(next - 1) === hash && this.isSample(next - 1, stack, labelSet)) return next - 1;
    }
    for (let i = 0; i < stack.length; i++) this.stack.push(stack[i]!);
    this.stackStart.push(this.stack.length);
    this.labelSet.push(labelSet);
    this.hash.push(hash);
    this.previousInChain.push(this.lastOfChain[chain]!);
    this.lastOfChain[chain] = this.labelSet.length;
    return this.labelSet.length - 1;
  }

  private isSample(sample: number, stack: readonly number[], labelSet: number): boolean {
    const start = this.stackStart.at(sample);
    if (this.stackStart.at(sample + 1) - start !== stack.length) return false;
    for (let i = 0; i < stack.length; i++) if (this.stack.at(start + i) !== stack[i]) return false;
    return this.labelSet.at(sample) === labelSet;
  }
}

/** FNV-1a over whole indexes, mixed at the end, since the lower bits select the chain. */
function hashOf(stack: readonly number[], labelSet: number): number {
  let hash = imul(labelSet + 1, 0x85ebca6b); // so that label sets and locations with equal indexes differ
  for (let i = 0; i < stack.length; i++) hash = imul(hash ^ stack[i]!, 0x9e3779b1) ^ (hash >>> 15);
  return (hash ^ (hash >>> 16)) >>> 0;
}

type NumberArray = Uint32Array | Float64Array;

const SMALLEST = 256;
/** Entries of a full chunk: 2 to the power of `CHUNK_BITS`. */
const CHUNK_BITS = 14;
const CHUNK = 1 << CHUNK_BITS;
const IN_CHUNK = CHUNK - 1;

/**
 * A typed array that grows, for the tables of a profile.
 *
 * It grows in chunks and is copied in pieces, since copying megabytes at once holds the event loop for several milliseconds.
 */
class GrowingArray<T extends NumberArray> {
  length = 0;
  private readonly chunks: T[];
  private last: T;
  private used = 0;

  private constructor(private readonly allocate: (length: number) => T) {
    this.last = allocate(SMALLEST);
    this.chunks = [this.last];
  }

  static uint32(): GrowingArray<Uint32Array> {
    return new GrowingArray((length) => new Uint32Array(length));
  }

  static float64(): GrowingArray<Float64Array> {
    return new GrowingArray((length) => new Float64Array(length));
  }

  at(i: number): number {
    return this.chunks[i >>> CHUNK_BITS]![i & IN_CHUNK]!;
  }

  /** Adds to an entry that was pushed before. */
  increase(i: number, by: number): void {
    this.chunks[i >>> CHUNK_BITS]![i & IN_CHUNK]! += by;
  }

  push(value: number): void {
    if (this.used === this.last.length) this.grow();
    this.last[this.used++] = value;
    this.length++;
  }

  /** All entries in one array. Yields now and then. */
  *toArray(): Generator<void, T> {
    const all = this.allocate(this.length);
    for (const [i, chunk] of this.chunks.entries()) {
      const start = i * CHUNK;
      all.set(chunk.subarray(0, this.length - start), start);
      yield;
    }
    return all;
  }

  private grow(): void {
    if (this.used === CHUNK) {
      this.last = this.allocate(CHUNK);
      this.chunks.push(this.last);
      this.used = 0;
    } else {
      const larger = this.allocate(this.used * 2);
      larger.set(this.last);
      this.chunks[this.chunks.length - 1] = this.last = larger;
    }
  }
}
