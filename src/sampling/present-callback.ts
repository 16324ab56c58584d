/**
 * What was made since the present callback began. It tells of an `await` whether it is innermost, and what it waits for: an
 * `await` makes a promise that is derived from the awaited one, its trigger.
 */
export class PresentCallback {
  /** The promise that was derived last; 0 if none. */
  derived = 0;
  /** For which promise the last innermost `await` is: several may be for that. */
  awaited = 0;
  /** The resource that was made last and is no promise; 0 if none. */
  resource = 0;
  private isJob = false;
  private made = 0;
  /** The last resource before the callback. */
  private madeBefore = 0;

  begin(): void {
    this.madeBefore = this.made;
    this.derived = 0;
    this.awaited = 0;
    this.resource = 0;
  }

  /** A resource or a promise was made. */
  make(id: number): void {
    this.made = id;
  }

  /**
   * A resource is used that may settle a promise.
   *
   * @param id 0: the last one that was made is older, and the next one is younger
   * @param isJob of Node's own, which makes its promise itself, right after
   */
  use(id: number, isJob: boolean): void {
    this.resource = id || this.made + 0.5;
    this.isJob = isJob;
  }

  /** A promise of another callback is another execution's. */
  isOld(id: number): boolean {
    return id <= this.madeBefore;
  }

  /**
   * A promise is derived.
   *
   * @returns whether it is of an innermost `await`: if one was derived from another promise since the trigger was made, a callee waits
   */
  derive(id: number, trigger: number): boolean {
    const { derived } = this;
    this.derived = id;
    return derived < trigger || trigger === this.awaited || this.isOld(trigger);
  }

  /** Whether the last resource is what settles a promise. */
  isForResource(promise: number): boolean {
    if (this.isOld(promise)) return false;
    return this.resource > promise || (this.isJob && this.resource === promise - 1);
  }
}
