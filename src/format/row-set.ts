const { imul } = Math;

const TWO_POW_32 = 2 ** 32;

/**
 * Rows of numbers, each once: a hash table over flat arrays. A row is written behind the others, and stays only if no
 * earlier one is the same.
 */
export class RowSet {
  length = 0;
  /** The cells of row `i` are `starts[i]` to `starts[i + 1]`. */
  readonly starts: Uint32Array;
  readonly cells: Uint32Array;
  private end = 0;
  private readonly hashes: Int32Array;
  /** By hash the number of a row plus one, or 0; twice as many as there can be rows. */
  private readonly slots: Uint32Array;

  /**
   * @param rows how many will be closed
   * @param cells how many they have together
   */
  constructor(rows: number, cells: number) {
    this.starts = new Uint32Array(rows + 1);
    this.cells = new Uint32Array(cells);
    this.hashes = new Int32Array(rows);
    this.slots = new Uint32Array(2 ** Math.ceil(Math.log2(rows * 2 + 1)));
  }

  /** A whole number from 0 to 2^32 - 1. */
  push(cell: number): void {
    this.cells[this.end++] = cell;
  }

  /** Each of `values` from `begin` to `end`, as `numbers` has it. */
  pushNumbers(values: Uint32Array, begin: number, end: number, numbers: Uint32Array): void {
    const { cells } = this;
    let to = this.end;
    for (let i = begin; i < end; i++) cells[to++] = numbers[values[i]!]!;
    this.end = to;
  }

  /** Any whole number, as two cells. */
  pushWide(value: number): void {
    this.push(Math.floor(value / TWO_POW_32));
    this.push(value);
  }

  /** What {@link pushWide} has put into a cell and the next one. */
  wideAt(cell: number): number {
    return (this.cells[cell]! | 0) * TWO_POW_32 + this.cells[cell + 1]!;
  }

  /** Ends the row. @returns its number, or that of the earlier one that is the same */
  close(): number {
    const row = this.length;
    this.starts[row + 1] = this.end;
    const hash = this.hashOf(row);
    const mask = this.slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const other = this.slots[slot]! - 1;
      if (other < 0) {
        this.slots[slot] = ++this.length;
        return row;
      }
      if (this.hashes[other] === hash && this.areSame(other, row)) {
        this.end = this.starts[row]!;
        return other;
      }
    }
  }

  private hashOf(row: number): number {
    const { cells, end } = this;
    let hash = end - this.starts[row]!;
    for (let i = this.starts[row]!; i < end; i++) {
      hash = imul(hash ^ cells[i]!, 0x9e3779b1);
      hash = (hash << 13) | (hash >>> 19);
    }
    hash = imul(hash ^ (hash >>> 16), 0x85ebca6b);
    return (this.hashes[row] = hash ^ (hash >>> 13));
  }

  private areSame(a: number, b: number): boolean {
    const { cells, starts } = this;
    let [atA, atB] = [starts[a]!, starts[b]!];
    if (starts[a + 1]! - atA !== starts[b + 1]! - atB) return false;
    for (const end = starts[b + 1]!; atB < end; atA++, atB++) if (cells[atA] !== cells[atB]) return false;
    return true;
  }
}
