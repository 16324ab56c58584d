import type { CallerFrame } from './call-stack.js';
import { CoveredWaits } from './covered-waits.js';
import type { WaitState } from './wait-states.js';

/** The stack that began a wait. Equal stacks are usually the same object, unless there are very many. */
export interface CallStack {
  /** Equal stacks have equal keys. */
  readonly key: string;
  /** Innermost first, without Node's own innermost frames. */
  readonly frames: readonly CallerFrame[];
}

/** A wait of an asynchronous execution: at an innermost `await`, or for a callback. */
export interface Wait {
  /** Node's async id of the resource. */
  readonly id: number;
  /** True for an `await`, false for a callback. */
  readonly isAwait: boolean;
  readonly state: WaitState;
  readonly stack: CallStack;
  /** The context in which the execution was started, such as a request. */
  readonly context: unknown;
  /** Start time in ms, by `performance.now()`. */
  readonly begin: number;
  /** Whether it is in `Promise.race` or `Promise.any`, which continue without waiting for the losers. */
  readonly canBeDropped: boolean;
}

/** An observer of waits. If one of its methods throws, the error becomes an uncaught exception, since hooks must not throw. */
export interface WaitObserver {
  /** One wait in `rate` is sampled. */
  readonly rate: number;
  /** Whether to observe waits for callbacks, too. */
  readonly callbacks: boolean;
  /**
   * Called when a sampled wait has ended.
   *
   * @param ms duration in milliseconds
   */
  ended?(wait: Wait, ms: number): void;
  /** Called when a sampled `await` can never end, because what it waits for was garbage-collected. */
  lost?(wait: Wait): void;
}

/** A weak reference to an async resource. */
export interface ResourceRef {
  deref(): object | undefined;
}

/** What samples use of Node; tests replace it. */
export interface SampleWorld {
  /** In ms. */
  now(): number;
  /** From 0 to 1, exclusive. */
  random(): number;
  ref(resource: object): ResourceRef;
}

/** A wait that has not ended. */
interface OpenWait {
  readonly wait: Wait;
  readonly resource: ResourceRef;
  /** Time from which on it counts, in ms. */
  readonly since: number;
  /** Whether it was covered before, or its promise was already resolved, possibly with another promise. */
  readonly isDoubtful: boolean;
}

/** Number of open waits that are checked whenever one is added, so that collected ones don't accumulate. */
const CHECKS = 2;

/** A doubtful wait that ends within this time, in ms, does not count. */
const SOON = 1;

/** The waits that one observer samples. */
export class WaitSample {
  private readonly open = new Map<number, OpenWait>();
  private readonly covered: CoveredWaits;
  /** Number of waits until the next sampled one. */
  private left: number;
  /** The wait for the running callback, and its duration. */
  private called: { readonly wait: Wait; readonly ms: number } | undefined;
  /** Iterates over the open waits, to check them. */
  private unchecked = this.open.values();

  constructor(
    readonly observer: WaitObserver,
    private readonly world: SampleWorld,
  ) {
    this.covered = new CoveredWaits(() => world.now());
    this.left = this.gap();
  }

  /** The waits that have not ended. */
  *pending(): Generator<Wait, void> {
    for (const { wait } of this.open.values()) if (!this.covered.has(wait.id)) yield wait;
  }

  /** Reports waits whose promise was collected; call it after a garbage collection. Yields now and then. */
  *findLost(): Generator<void, void> {
    let count = 0;
    for (const one of this.open.values()) {
      if (++count % 1000 === 0) yield;
      this.check(one);
    }
  }

  /** Whether to sample the next wait. Gaps are random, since with even ones a regular program would always get the same wait sampled. */
  wants(isAwait: boolean): boolean {
    if (!isAwait && !this.observer.callbacks) return false;
    if (--this.left > 0) return false;
    this.left = this.gap();
    return true;
  }

  /** @param covers waits of callees, if there are any */
  add(wait: Wait, resource: object, isDoubtful = false, covers: readonly number[] = []): void {
    for (let i = 0; i < CHECKS; i++) this.checkNext();
    this.open.set(wait.id, { wait, resource: this.world.ref(resource), since: wait.begin, isDoubtful });
    if (covers.length > 0) this.covered.add(wait.id, covers);
  }

  /** A wait began that may be the next one of a callee. */
  cover(id: number): void {
    this.covered.cover(id);
  }

  end(id: number): void {
    if (this.open.size === 0) return;
    const isCovered = this.covered.has(id);
    const next = this.covered.callback(id);
    if (next) this.uncover(next.id, next.since);
    const one = this.open.get(id);
    if (!one) return;
    this.open.delete(id);
    if (isCovered) return;
    const { wait, since, isDoubtful } = one;
    const ms = this.world.now() - since;
    if (isDoubtful && ms < SOON) return;
    if (wait.isAwait) safely(() => this.observer.ended?.(wait, ms));
    else this.called = { wait, ms };
  }

  private uncover(id: number, since: number): void {
    const one = this.open.get(id);
    if (one) this.open.set(id, { ...one, since, isDoubtful: true });
  }

  /** The callback did not settle a promise, so the wait for it counts. */
  endCallback(): void {
    const { called } = this;
    if (!called) return;
    this.called = undefined;
    safely(() => this.observer.ended?.(called.wait, called.ms));
  }

  /** The callback settled a promise, so the wait is that of the `await`, not of the callback. */
  dropCallback(): void {
    this.called = undefined;
  }

  /** A wait continues under another id. */
  replace(id: number, wait: Wait, resource: object): void {
    this.covered.replace(id, wait.id);
    if (this.open.delete(id)) this.add(wait, resource);
  }

  /** Removes a wait that turned out to be none, or to be part of another one. */
  drop(id: number): void {
    if (this.open.size === 0) return;
    this.covered.end(id);
    this.open.delete(id);
  }

  clear(): void {
    this.open.clear();
    this.covered.clear();
  }

  private checkNext(): void {
    const { value } = this.unchecked.next() as IteratorResult<OpenWait, undefined>;
    if (value) this.check(value);
    else this.unchecked = this.open.values();
  }

  private check({ wait, resource }: OpenWait): void {
    if (resource.deref()) return;
    const { id } = wait;
    const covers = this.covered.covers(id);
    // A caller is lost together with its callee, which is the same wait. So wait for the result of what covers it.
    if (covers && (covers.size === 0 || this.isAnyOpen(covers))) return;
    this.open.delete(id);
    if (covers) return this.covered.forget(id);
    this.releaseCallers(id);
    if (wait.isAwait && !wait.canBeDropped) safely(() => this.observer.lost?.(wait));
  }

  private isAnyOpen(ids: Iterable<number>): boolean {
    for (const id of ids) if (this.open.has(id)) return true;
    return false;
  }

  /** The callers of a lost wait are lost too, unless they are alive: then they were unrelated. */
  private releaseCallers(id: number): void {
    const alive: number[] = [];
    for (const caller of this.covered.release(id)) {
      if (this.open.get(caller)?.resource.deref()) alive.push(caller);
      else {
        this.covered.forget(caller);
        this.open.delete(caller);
      }
    }
    const uncovered = this.covered.uncover(alive);
    if (uncovered !== undefined) this.uncover(uncovered, this.world.now());
  }

  /** From 1 to 2 · rate - 1, on average `rate`. */
  private gap(): number {
    return 1 + Math.floor(this.world.random() * (2 * this.observer.rate - 1));
  }
}

function safely(work: () => void): void {
  try {
    work();
  } catch (error) {
    setImmediate(() => {
      throw error;
    });
  }
}
