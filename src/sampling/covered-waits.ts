/** The cover of an await whose own has ended, and that may get another one before the present callback is over. */
const LOOSE = 0;

/**
 * Awaits of callers. While a callee waits, that wait covers theirs. When it ends, the callee may wait again in the same
 * callback, or return, so that its callers go on one after the other. If neither happens, the innermost caller waits for
 * something else from then on, and covers the others.
 */
export class CoveredWaits {
  /** For each its cover. */
  private readonly coverOf = new Map<number, number>();
  /** By their cover, in the order in which they began. */
  private readonly began = new Map<number, number[]>();
  /** The callers of those, which were covered before: innermost first. */
  private readonly callers = new Map<number, readonly number[]>();
  private loose: readonly number[] = [];
  /** When the last cover of the loose ones ended. */
  private looseSince = 0;

  has(id: number): boolean {
    return this.coverOf.has(id);
  }

  add(id: number, cover: number): void {
    this.coverOf.set(id, cover);
    const chain = this.began.get(cover);
    if (chain) chain.push(id);
    else this.began.set(cover, [id]);
  }

  /** A wait has begun in the present callback. */
  cover(cover: number): void {
    if (this.loose.length === 0) return;
    for (const id of this.loose) this.coverOf.set(id, cover);
    this.callers.set(cover, this.loose);
    this.loose = [];
  }

  /**
   * The callback of a wait begins.
   *
   * @returns the await that waits for itself, if one does, and since when
   */
  callback(id: number, now: () => number): { readonly id: number; readonly since: number } | undefined {
    if (this.coverOf.size === 0) return undefined;
    const since = this.looseSince;
    const uncovered = this.loose.includes(id) ? undefined : this.loose[0];
    if (uncovered !== undefined) {
      this.coverOf.delete(uncovered);
      this.loose = this.loose.slice(1);
      this.cover(uncovered);
    }
    this.end(id);
    if (this.loose.length > 0) this.looseSince = now();
    return uncovered === undefined ? undefined : { id: uncovered, since };
  }

  /** Ends one: those behind it in its chain go on with it, and it covers none any more. */
  end(id: number): void {
    const cover = this.coverOf.get(id);
    if (cover !== undefined) {
      this.coverOf.delete(id);
      this.loose = [...this.loose, ...this.taken(cover)].filter((one) => one !== id);
    }
    this.loose = [...this.loose, ...this.taken(id)];
  }

  /** Of what was collected; so has been all that it covers. */
  forget(id: number): void {
    this.coverOf.delete(id);
    this.loose = this.loose.filter((one) => one !== id);
  }

  clear(): void {
    this.coverOf.clear();
    this.began.clear();
    this.callers.clear();
    this.loose = [];
  }

  /** All that a wait covers, which is loose from now on. */
  private taken(cover: number): number[] {
    if (cover === LOOSE) return [];
    const ids = [...(this.began.get(cover) ?? []), ...(this.callers.get(cover) ?? [])].filter(
      (id) => this.coverOf.get(id) === cover,
    );
    this.began.delete(cover);
    this.callers.delete(cover);
    for (const id of ids) this.coverOf.set(id, LOOSE);
    return ids;
  }
}
