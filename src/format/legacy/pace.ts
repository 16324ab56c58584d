/** Says when enough was done for one slice, of work whose pieces differ in size. */
export class Pace {
  private done = 0;

  constructor(private readonly slice: number) {}

  /** Adds to what was done. @returns whether to yield */
  isOver(amount: number): boolean {
    this.done += amount;
    if (this.done < this.slice) return false;
    this.done = 0;
    return true;
  }
}
