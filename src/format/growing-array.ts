type NumberArray = Uint32Array | Float64Array;

const SMALLEST = 256;
/** Entries of a full chunk: 2 to the power of `CHUNK_BITS`. */
const CHUNK_BITS = 14;
const CHUNK = 1 << CHUNK_BITS;
const IN_CHUNK = CHUNK - 1;

/**
 * A typed array that grows: what the tables of a profile are gathered in.
 *
 * It grows in chunks, and is copied in pieces: to copy megabytes at once holds the event loop for several milliseconds.
 */
export class GrowingArray<T extends NumberArray> {
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

  /** What was pushed, in one piece. Yields now and then. */
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
