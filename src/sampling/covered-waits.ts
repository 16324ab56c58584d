const NONE: readonly number[] = [];

/**
 * Awaits of callers. While callees wait, their waits cover those of the callers, which don't count. When a callee's wait ends, the
 * callee either waits again in the same callback or returns, so that its callers continue one after the other. If neither happens,
 * and nothing else covers them, the innermost caller waits for something else from then on, and covers the others.
 */
export class CoveredWaits {
  /** For each await, the waits that cover it and have not ended. */
  private readonly coversOf = new Map<number, Set<number>>();
  /** Awaits by the waits that cover them, in the order of their start: a callee's before its callers'. */
  private readonly coveredBy = new Map<number, Set<number>>();
  /** Awaits whose callees may wait again in the current callback, in the same order. */
  private going = NONE;
  /** When the last wait that covered them ended. */
  private goingSince = 0;

  constructor(private readonly now: () => number) {}

  has(id: number): boolean {
    return this.coversOf.has(id);
  }

  /** The waits that cover an await. Undefined if it is not covered; empty if it may be uncovered from the next callback on. */
  covers(id: number): ReadonlySet<number> | undefined {
    return this.coversOf.get(id);
  }

  add(id: number, covers: readonly number[]): void {
    this.coversOf.set(id, new Set());
    for (const cover of covers) this.link(id, cover);
  }

  /** A wait began in the current callback. */
  cover(cover: number): void {
    for (const id of this.going) this.link(id, cover);
  }

  /** A wait continues under another id. */
  replace(cover: number, by: number): void {
    const ids = this.release(cover);
    for (const id of ids) this.link(id, by);
  }

  /**
   * The callback of a wait begins.
   *
   * @returns the await that is no longer covered, if any, and since when
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

  /** Ends a wait: awaits that it covers may continue, and so may its own callers if it ends before the wait that covers it. */
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
   * Removes a wait as a cover.
   *
   * @returns the awaits that it covered
   */
  release(cover: number): ReadonlySet<number> {
    const ids = this.coveredBy.get(cover) ?? new Set();
    this.coveredBy.delete(cover);
    for (const id of ids) this.coversOf.get(id)?.delete(cover);
    return ids;
  }

  /**
   * Of awaits of a chain of calls, uncovers the innermost one that nothing covers; it then covers the others.
   *
   * @returns the uncovered one
   */
  uncover(ids: Iterable<number>): number | undefined {
    const [innermost, ...callers] = [...ids].filter((id) => this.coversOf.get(id)?.size === 0);
    if (innermost === undefined) return undefined;
    this.coversOf.delete(innermost);
    for (const id of callers) this.link(id, innermost);
    return innermost;
  }

  /** Removes an await, without effect on the others. */
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

  /** Adds the awaits that began after another one and have the same cover. */
  private addCallers(id: number, cover: number, to: Set<number>): void {
    let isBehind = false;
    for (const one of this.coveredBy.get(cover) ?? NONE) {
      if (isBehind) to.add(one);
      isBehind ||= one === id;
    }
  }
}
