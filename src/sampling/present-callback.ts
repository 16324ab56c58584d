/**
 * Tracks what was created since the current callback began, to decide whether an `await` is innermost and what it waits for. An
 * `await` creates a promise that is derived from the awaited one, its trigger.
 */
export class PresentCallback {
  /** The last derived promise; 0 if none. */
  derived = 0;
  /** The promise of the last innermost `await`; there may be several awaits of it. */
  awaited = 0;
  /** The last created resource that is not a promise; 0 if none. */
  resource = 0;
  private isJob = false;
  private made = 0;
  /** The last resource created before the callback. */
  private madeBefore = 0;

  begin(): void {
    this.madeBefore = this.made;
    this.derived = 0;
    this.awaited = 0;
    this.resource = 0;
  }

  /** A resource or a promise was created. */
  make(id: number): void {
    this.made = id;
  }

  /**
   * A resource is used that may settle a promise.
   *
   * @param id id of the resource; 0 for an existing resource that is used now
   * @param isJob whether Node creates the promise for it, right after it
   */
  use(id: number, isJob: boolean): void {
    this.resource = id || this.made + 0.5;
    this.isJob = isJob;
  }

  /** Whether a promise was created before the callback, so it belongs to another execution. */
  isOld(id: number): boolean {
    return id <= this.madeBefore;
  }

  /**
   * A promise is derived.
   *
   * @returns whether it is of an innermost `await`; not if another promise was derived since the trigger was created: then a callee
   * waits
   */
  derive(id: number, trigger: number): boolean {
    const { derived } = this;
    this.derived = id;
    return derived < trigger || trigger === this.awaited || this.isOld(trigger);
  }

  /** Whether the last resource settles a promise. */
  isForResource(promise: number): boolean {
    if (this.isOld(promise)) return false;
    return this.resource > promise || (this.isJob && this.resource === promise - 1);
  }
}
