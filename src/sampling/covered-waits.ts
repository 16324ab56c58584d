/** The cover of an await whose own has ended, and that may get another one before the present callback is over. */
const LOOSE = 0;

const NONE: readonly number[] = [];

/**
 * Awaits of callers. While a callee waits, that wait covers theirs. When it ends, the callee may wait again in the same
 * callback, or return, so that its callers go on one after the other. If neither happens, the innermost caller waits for
 * something else from then on, and covers the others.
 */
export class CoveredWaits {
  /** For each its cover. */
  private readonly covers = new Map<number, number>();
  /** By their cover, in the order in which they began. */
  private readonly began = new Map<number, number[]>();
  /** The callers of those, which were covered before: innermost first. */
  private readonly callers = new Map<number, readonly number[]>();
  private loose = NONE;
  /** When the last cover of the loose ones ended. */
  private looseSince = 0;

  constructor(private readonly now: () => number) {}

  has(id: number): boolean {
    return this.covers.has(id);
  }

  /** Undefined if it waits for itself. */
  coverOf(id: number): number | undefined {
    return this.covers.get(id);
  }

  /** All that a wait covers. */
  under(cover: number): readonly number[] {
    const [began, callers] = [this.began.get(cover), this.callers.get(cover)];
    if (!began && !callers) return NONE;
    const ids = [...(began ?? NONE), ...(callers ?? NONE)];
    return ids.filter((id) => this.covers.get(id) === cover);
  }

  add(id: number, cover: number): void {
    this.covers.set(id, cover);
    const chain = this.began.get(cover);
    if (chain) chain.push(id);
    else this.began.set(cover, [id]);
  }

  /** A wait has begun in the present callback. */
  cover(cover: number): void {
    const { loose } = this;
    this.loose = NONE;
    this.put(loose, cover);
  }

  /** A wait goes on under another number. */
  replace(cover: number, by: number): void {
    const ids = this.under(cover);
    this.forgetCover(cover);
    this.put(ids, by);
  }

  /**
   * The callback of a wait begins.
   *
   * @returns the await that waits for itself, if one does, and since when
   */
  callback(id: number): { readonly id: number; readonly since: number } | undefined {
    if (this.covers.size === 0) return undefined;
    const since = this.looseSince;
    const uncovered = this.loose.includes(id) ? undefined : this.loose[0];
    if (uncovered !== undefined) {
      this.covers.delete(uncovered);
      this.loose = this.loose.slice(1);
      this.cover(uncovered);
    }
    this.end(id);
    return uncovered === undefined ? undefined : { id: uncovered, since };
  }

  /** Ends one: those behind it in its chain go on with it, and it covers none any more. */
  end(id: number): void {
    if (this.covers.size === 0) return;
    const cover = this.covers.get(id);
    if (cover !== undefined) {
      this.covers.delete(id);
      this.loosen(this.taken(cover));
      this.loose = this.loose.filter((one) => one !== id);
    }
    this.loosen(this.taken(id));
    if (this.loose.length > 0) this.looseSince = this.now();
  }

  /** Takes one out, whatever becomes of the others. */
  forget(id: number): void {
    const cover = this.covers.get(id);
    if (cover === undefined) return;
    this.covers.delete(id);
    this.loose = this.loose.filter((one) => one !== id);
    if (this.under(cover).length === 0) this.forgetCover(cover);
  }

  clear(): void {
    this.covers.clear();
    this.began.clear();
    this.callers.clear();
    this.loose = NONE;
  }

  /** All that a wait covers, which is loose from now on. */
  private taken(cover: number): readonly number[] {
    if (cover === LOOSE) return NONE;
    const ids = this.under(cover);
    this.forgetCover(cover);
    for (const id of ids) this.covers.set(id, LOOSE);
    return ids;
  }

  private put(ids: readonly number[], cover: number): void {
    if (ids.length === 0) return;
    for (const id of ids) this.covers.set(id, cover);
    this.callers.set(cover, ids);
  }

  private loosen(ids: readonly number[]): void {
    if (ids.length > 0) this.loose = [...this.loose, ...ids];
  }

  private forgetCover(cover: number): void {
    this.began.delete(cover);
    this.callers.delete(cover);
  }
}
