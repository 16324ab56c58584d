type NumberArray = Uint32Array | Float64Array;

const SMALLEST = 256;
/** Entries of a full chunk. */
const CHUNK = 16_384;

/**
 * A typed array that grows: what the tables of a profile are gathered in.
 *
 * It grows in chunks, and is copied in pieces: to copy megabytes at once holds the event loop for several milliseconds.
 */
export class GrowingArray<T extends NumberArray> {
  private readonly full: T[] = [];
  private last: T;
  private used = 0;

  private constructor(private readonly allocate: (length: number) => T) {
    this.last = allocate(SMALLEST);
  }

  static uint32(): GrowingArray<Uint32Array> {
    return new GrowingArray((length) => new Uint32Array(length));
  }

  static float64(): GrowingArray<Float64Array> {
    return new GrowingArray((length) => new Float64Array(length));
  }

  get length(): number {
    return this.full.length * CHUNK + this.used;
  }

  push(value: number): void {
    if (this.used === this.last.length) this.grow();
    this.last[this.used++] = value;
  }

  /** Pushes the first `count` values: for many, in less time than one by one. */
  append(values: NumberArray, count: number): void {
    const { last, used } = this;
    if (used + count <= last.length) {
      for (let i = 0; i < count; i++) last[used + i] = values[i]!;
      this.used += count;
    } else {
      for (let i = 0; i < count; i++) this.push(values[i]!);
    }
  }

  /** What was pushed, in one piece. Yields now and then. */
  *toArray(): Generator<void, T> {
    const all = this.allocate(this.length);
    for (const [i, chunk] of this.full.entries()) {
      all.set(chunk, i * CHUNK);
      yield;
    }
    all.set(this.last.subarray(0, this.used), this.full.length * CHUNK);
    return all;
  }

  private grow(): void {
    if (this.used === CHUNK) {
      this.full.push(this.last);
      this.last = this.allocate(CHUNK);
      this.used = 0;
    } else {
      const larger = this.allocate(this.used * 2);
      larger.set(this.last);
      this.last = larger;
    }
  }
}
