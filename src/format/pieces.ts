/** Length of a piece. V8's garbage collector does not move strings of this size. */
const PIECE = 256 * 1024;

/** Collects a long text in pieces; a piece ends with the part that reaches the length. */
export class Pieces {
  private readonly pieces: string[] = [];
  private parts: string[] = [];
  private length = 0;

  add(part: string): void {
    this.parts.push(part);
    this.length += part.length;
    if (this.length >= PIECE) this.cut();
  }

  /** All pieces; at least one, which may be empty. */
  all(): string[] {
    this.cut();
    return this.pieces;
  }

  private cut(): void {
    this.pieces.push(this.parts.join(''));
    this.parts = [];
    this.length = 0;
  }
}
