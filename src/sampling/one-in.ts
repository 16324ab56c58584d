/**
 * Picks one of every N at random: once in each run of N, so that no rhythm of what is counted can keep step with it, and
 * as many as it should be are picked.
 */
export class OneIn {
  private left = 0;
  private pick = 0;

  constructor(readonly every: number) {}

  /** Whether this one is picked. */
  next(): boolean {
    if (this.every === 1) return true;
    if (this.left === 0) {
      this.left = this.every;
      this.pick = 1 + Math.floor(Math.random() * this.every);
    }
    return this.left-- === this.pick;
  }
}
