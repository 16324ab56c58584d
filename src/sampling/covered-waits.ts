const NONE: readonly number[] = [];

/**
 * Awaits of callers. While callees wait, their waits cover those of the callers. When one ends, its callee may wait again
 * in the same callback, or return, so that its callers go on one after the other. If neither happens, and nothing else
 * covers them, the innermost caller waits for something else from then on, and covers the others.
 */
export class CoveredWaits {
  /** For each the waits that cover it and have not ended. */
  private readonly coversOf = new Map<number, Set<number>>();
  /** By their covers, in the order in which they began: a callee's before its callers'. */
  private readonly coveredBy = new Map<number, Set<number>>();
  /** Those whose callees may wait again in the present callback, in the same order. */
  private going = NONE;
  /** When the last wait ended that covered them. */
  private goingSince = 0;

  constructor(private readonly now: () => number) {}

  has(id: number): boolean {
    return this.coversOf.has(id);
  }

  /** Undefined if it waits for itself; none if that may be so from the next callback on. */
  covers(id: number): ReadonlySet<number> | undefined {
    return this.coversOf.get(id);
  }

  add(id: number, covers: readonly number[]): void {
    this.coversOf.set(id, new Set());
    for (const cover of covers) this.link(id, cover);
  }

  /** A wait has begun in the present callback. */
  cover(cover: number): void {
    for (const id of this.going) this.link(id, cover);
  }

  /** A wait goes on under another number. */
  replace(cover: number, by: number): void {
    const ids = this.release(cover);
    for (const id of ids) this.link(id, by);
  }

  /**
   * The callback of a wait begins.
   *
   * @returns the await that waits for itself, if one does, and since when
   */
  callback(id: number): { readonly id: number; readonly since: number } | undefined {
    if (this.coversOf.size === 0) return undefined;
    const { going } = this;
    if (going.includes(id)) {
      this.end(id);
      return undefined;
    }
    const since = this.goingSince;
    this.going = NONE;
    const uncovered = this.uncover(going);
    this.end(id);
    return uncovered === undefined ? undefined : { id: uncovered, since };
  }

  /** Ends one: those that it covers may go on, and so may those behind it if it ends before what covers it. */
  end(id: number): void {
    if (!this.coversOf.has(id) && !this.coveredBy.has(id)) return;
    const going = new Set(this.going);
    if (!going.delete(id))
      for (const cover of this.coversOf.get(id) ?? NONE) this.addCallers(id, cover, going);
    this.forget(id);
    for (const caller of this.release(id)) going.add(caller);
    this.going = going.size === 0 ? NONE : [...going];
    if (going.size > 0) this.goingSince = this.now();
  }

  /**
   * Covers none any more.
   *
   * @returns those that it covered
   */
  release(cover: number): ReadonlySet<number> {
    const ids = this.coveredBy.get(cover) ?? new Set();
    this.coveredBy.delete(cover);
    for (const id of ids) this.coversOf.get(id)?.delete(cover);
    return ids;
  }

  /**
   * Of some, one of which calls the others, the innermost that nothing covers waits for itself.
   *
   * @returns that one
   */
  uncover(ids: Iterable<number>): number | undefined {
    const [innermost, ...callers] = [...ids].filter((id) => this.coversOf.get(id)?.size === 0);
    if (innermost === undefined) return undefined;
    this.coversOf.delete(innermost);
    for (const id of callers) this.link(id, innermost);
    return innermost;
  }

  /** Takes one out, whatever becomes of the others. */
  forget(id: number): void {
    for (const cover of this.coversOf.get(id) ?? NONE) {
      const ids = this.coveredBy.get(cover)!;
      ids.delete(id);
      if (ids.size === 0) this.coveredBy.delete(cover);
    }
    this.coversOf.delete(id);
  }

  clear(): void {
    this.coversOf.clear();
    this.coveredBy.clear();
    this.going = NONE;
  }

  private link(id: number, cover: number): void {
    const covers = this.coversOf.get(id);
    if (!covers) return;
    covers.add(cover);
    const ids = this.coveredBy.get(cover);
    if (ids) ids.add(id);
    else this.coveredBy.set(cover, new Set([id]));
  }

  /** What began after an await and has the same cover. */
  private addCallers(id: number, cover: number, to: Set<number>): void {
    let isBehind = false;
    for (const one of this.coveredBy.get(cover) ?? NONE) {
      if (isBehind) to.add(one);
      isBehind ||= one === id;
    }
  }
}
