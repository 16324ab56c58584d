/** Characters of a piece: V8 does not move a string as large as this when it collects garbage. */
const PIECE = 256 * 1024;

/** A long text in pieces, each as large as the first part that makes it so. */
export class Pieces {
  private readonly pieces: string[] = [];
  private parts: string[] = [];
  private length = 0;

  add(part: string): void {
    this.parts.push(part);
    this.length += part.length;
    if (this.length >= PIECE) this.cut();
  }

  /** All of them; at least one, which may be empty. */
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
