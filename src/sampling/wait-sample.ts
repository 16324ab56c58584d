import type { CallerFrame } from './call-stack.js';
import { CoveredWaits } from './covered-waits.js';
import type { WaitState } from './wait-states.js';

/** What began a wait; equal ones are the same object, as long as there are not too many. */
export interface CallStack {
  /** Equal for equal stacks. */
  readonly key: string;
  /** Innermost first; they start with code that is not Node's own. */
  readonly frames: readonly CallerFrame[];
}

/** A wait of an execution: at an innermost `await`, or for a callback. */
export interface Wait {
  /** Node's number of the async resource. */
  readonly id: number;
  /** For a promise, in contrast to a callback. */
  readonly isAwait: boolean;
  readonly state: WaitState;
  readonly stack: CallStack;
  /** What the execution was started for, such as a request. */
  readonly context: unknown;
  /** In ms. */
  readonly begin: number;
  /** `Promise.race` and `Promise.any` go on without those that lose. */
  readonly canBeDropped: boolean;
}

/** Somebody who wants to know of waits. What it throws becomes an uncaught exception, since hooks must not throw. */
export interface WaitObserver {
  /** One wait in so many is sampled. */
  readonly rate: number;
  /** Whether waits for callbacks are of interest too. */
  readonly callbacks: boolean;
  /** @param ms how long it took */
  ended?(wait: Wait, ms: number): void;
  /** It can never end: what it waits for has been collected. */
  lost?(wait: Wait): void;
}

/** A weak reference to an async resource. */
export interface ResourceRef {
  deref(): object | undefined;
}

/** The world around waits, which tests replace. */
export interface SampleWorld {
  /** In ms. */
  now(): number;
  /** From 0 to below 1. */
  random(): number;
  ref(resource: object): ResourceRef;
}

/** A wait that has not ended. */
interface OpenWait {
  readonly wait: Wait;
  readonly resource: ResourceRef;
  /** From when on it counts, in ms. */
  readonly since: number;
  /** It was covered before, or its promise was resolved already, but perhaps with another promise. */
  readonly isDoubtful: boolean;
}

/** So many are looked at whenever one is added, so that those that were collected do not pile up. */
const CHECKS = 2;

/** A doubtful wait that ends so soon, in ms, was none. */
const SOON = 1;

/** What one observer has sampled. */
export class WaitSample {
  private readonly open = new Map<number, OpenWait>();
  private readonly covered: CoveredWaits;
  /** Waits until the next one that is sampled. */
  private left: number;
  /** A wait for the callback that runs, and how long it took. */
  private called: { readonly wait: Wait; readonly ms: number } | undefined;
  /** Of all that have not ended, those that are to be looked at next. */
  private unchecked = this.open.values();

  constructor(
    readonly observer: WaitObserver,
    private readonly world: SampleWorld,
  ) {
    this.covered = new CoveredWaits(() => world.now());
    this.left = this.gap();
  }

  /** Those that have not ended. */
  *pending(): Generator<Wait, void> {
    for (const { wait } of this.open.values()) if (!this.covered.has(wait.id)) yield wait;
  }

  /** Reports those whose promise has been collected; to be called after a collection. Yields now and then. */
  *findLost(): Generator<void, void> {
    let count = 0;
    for (const one of this.open.values()) {
      if (++count % 1000 === 0) yield;
      this.check(one);
    }
  }

  /** Whether the next wait is one to sample. A regular program would always have the same one sampled, were the gaps even. */
  wants(isAwait: boolean): boolean {
    if (!isAwait && !this.observer.callbacks) return false;
    if (--this.left > 0) return false;
    this.left = this.gap();
    return true;
  }

  /** @param covers the waits of callees, if there are some */
  add(wait: Wait, resource: object, isDoubtful = false, covers: readonly number[] = []): void {
    for (let i = 0; i < CHECKS; i++) this.checkNext();
    this.open.set(wait.id, { wait, resource: this.world.ref(resource), since: wait.begin, isDoubtful });
    if (covers.length > 0) this.covered.add(wait.id, covers);
  }

  /** A wait has begun that may be that of a callee that goes on. */
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

  /** The callback has settled no promise: what it ended was a wait of its own. */
  endCallback(): void {
    const { called } = this;
    if (!called) return;
    this.called = undefined;
    safely(() => this.observer.ended?.(called.wait, called.ms));
  }

  /** The callback has settled a promise: the wait was that of who awaits it. */
  dropCallback(): void {
    this.called = undefined;
  }

  /** It goes on under another number. */
  replace(id: number, wait: Wait, resource: object): void {
    this.covered.replace(id, wait.id);
    if (this.open.delete(id)) this.add(wait, resource);
  }

  /** It was none, or it has been taken for another one. */
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
    // With its callee a caller is lost as well, which is the same wait; so what becomes of its cover is waited for.
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

  /** Of a lost wait: they are lost with it, or it was another matter. */
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

  /** 1 to 2 · rate - 1, and the rate on average. */
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
