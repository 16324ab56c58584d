type NumberArray = Uint32Array | Float64Array;

/** A typed array that grows: what the tables of a profile are gathered in. */
export class GrowingArray<T extends NumberArray> {
  length = 0;
  private array: T;

  private constructor(private readonly allocate: (length: number) => T) {
    this.array = allocate(256);
  }

  static uint32(): GrowingArray<Uint32Array> {
    return new GrowingArray((length) => new Uint32Array(length));
  }

  static float64(): GrowingArray<Float64Array> {
    return new GrowingArray((length) => new Float64Array(length));
  }

  push(value: number): void {
    if (this.length === this.array.length) {
      const larger = this.allocate(this.array.length * 2);
      larger.set(this.array);
      this.array = larger;
    }
    this.array[this.length++] = value;
  }

  /** What was pushed, without the spare room. */
  toArray(): T {
    return this.array.slice(0, this.length) as T;
  }
}
