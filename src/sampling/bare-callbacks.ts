/** The callback in which some waits for bare callbacks began. */
export interface Birth {
  /** What has a greater number than this began in it. */
  readonly after: number;
  /** What it awaits, and has not got yet. */
  readonly awaits: Set<number>;
}

/**
 * Tells waits for bare callbacks from those that are behind an `await`, whose wait is told already: the one that follows in the
 * same callback, and is still there when the bare callback is called.
 */
export class BareCallbacks {
  private readonly byAwait = new Map<number, Birth>();
  private birth: Birth | undefined;

  /** Number of what is awaited beside bare callbacks. */
  get size(): number {
    return this.byAwait.size;
  }

  /** Another callback begins. */
  next(): void {
    this.birth = undefined;
  }

  /** A wait for a bare callback begins in this callback, before which the newest number was `after`. */
  begin(after: number): Birth {
    return (this.birth ??= { after, awaits: new Set() });
  }

  /**
   * This callback awaits.
   *
   * @returns whether it is to be told when that is over
   */
  awaits(id: number): boolean {
    if (!this.birth) return false;
    this.birth.awaits.add(id);
    this.byAwait.set(id, this.birth);
    return true;
  }

  /** Another one is awaited in its place. */
  passOn(id: number, to: number): void {
    const birth = this.byAwait.get(id);
    if (!birth) return;
    birth.awaits.add(to);
    this.byAwait.set(to, birth);
  }

  /** It goes on, or never will. */
  over(id: number): void {
    this.byAwait.get(id)?.awaits.delete(id);
    this.byAwait.delete(id);
  }

  clear(): void {
    this.next();
    this.byAwait.clear();
  }
}
