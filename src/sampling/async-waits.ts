import { type AsyncHook, createHook, executionAsyncId, executionAsyncResource } from 'node:async_hooks';
import { BareCallbacks, type Birth } from './bare-callbacks.js';
import { OneIn } from './one-in.js';
import { isUsers, type PlaceOfWait, placeOfWait } from './place-of-wait.js';
import type { RawFrame } from './sampler.js';
import { StackTable } from './stack-table.js';
import { ONE_CALLBACK, STATE_OF_RESOURCE, type WaitState } from './wait-state.js';

/** An execution that waits: for what it awaits, or for its callback. */
export interface Wait {
  /** Node's number of the promise or resource: no other has it in this process. */
  readonly id: number;
  readonly state: WaitState;
  /** `performance.now()` at its begin. */
  readonly since: number;
  /** Where it began, innermost first. The same array for the same stack. */
  readonly stack: readonly RawFrame[];
}

/** What an observer is told of: one wait in so many, from its begin on. */
export interface WaitObserver {
  /** Counts waits for a bare callback too, such as that of `setTimeout(callback)`. */
  readonly callbacks?: boolean;
  /** Called within the execution that begins to wait. */
  began?(wait: Wait): void;
  /** It goes on, after so many ms. */
  ended?(wait: Wait, ms: number): void;
  /** What it waited for was collected as garbage: it never goes on. */
  lost?(wait: Wait): void;
}

/** Tells an observer until it is closed. */
export interface WaitSubscription {
  /** One wait in so many is told. */
  readonly every: number;
  close(): void;
}

interface Subscriber extends WaitSubscription {
  readonly observer: WaitObserver;
  readonly sampled: OneIn;
}

/** A wait that is to be told. */
interface SampledWait {
  readonly subscribers: readonly Subscriber[];
  readonly state: WaitState | undefined;
  readonly since: number;
}

/** The last one that began in a callback. */
interface LastWait extends SampledWait {
  /** The application's own function waits; otherwise one that it has called, and may await. */
  readonly isOwn: boolean;
  /** What is told of it. */
  readonly waits: readonly OpenWait[];
  /** Who awaits it awaits a promise with a number between these: that of a function that began after the wait before. */
  readonly after: number;
  readonly until: number;
}

/** What is told of. */
interface OpenWait extends Wait {
  state: WaitState;
  since: number;
  readonly subscribers: readonly Subscriber[];
  /** Of one for a bare callback. */
  readonly birth?: Birth | undefined;
  /** It awaits a function that waits itself, and is told when that one does so no more, and nevertheless does not end. */
  isDormant?: boolean;
  /** For that one's `await`. */
  behind?: number;
  /** It awaits what is no promise of V8's: a promise that V8 makes of it waits for its `then`. */
  isOfThenable?: boolean;
}

const TIMERS = 'node:timers';

const NOTHING_KNOWN: WaitState = 'chan receive';

/**
 * Tells who waits, and where it began to: the one `async_hooks` hook of this package, which is on while somebody wants to
 * know.
 *
 * A wait is told once, at the application's innermost `await` (the leaf): an `await` on the promise of an async function
 * that awaits itself is none, and neither is the timer or request behind a promise that is awaited. Nothing is kept of
 * waits that are not sampled, and there is no `destroy` hook, which costs more than all others: a `FinalizationRegistry`
 * tells the same of those that are.
 */
export class AsyncWaits {
  private readonly subscribers = new Set<Subscriber>();
  private readonly open = new Map<number, OpenWait>();
  /** Dormant ones, by the `await` that they are behind. */
  private readonly callers = new Map<number, OpenWait>();
  /** Those that are behind nothing any more: if they do not end in this turn, they wait. */
  private waking: OpenWait[] = [];
  private readonly bare = new BareCallbacks();
  private readonly stacks = new StackTable();
  private readonly collected = new FinalizationRegistry<number>((id) => this.lose(id));
  private hook: AsyncHook | undefined;

  /** Callbacks that are running, one called by the other: `AsyncResource.bind` does that within a callback. */
  private depth = 0;
  // Of the outermost of them:
  /** The newest promise that was derived from another one in it. */
  private lastDerived = 0;
  /** The newest promise or resource when it began: what has a greater number is its own. */
  private bornBefore = 0;
  private newest = 0;
  private lastResource = 0;
  private lastState: WaitState | undefined;
  /** The last wait's own. */
  private lastLeaf = 0;
  /** If it is sampled. */
  private lastWait: LastWait | undefined;
  /** What was behind the `await` that goes on in it. */
  private caller: OpenWait | undefined;
  /** It is a bare callback, as far as is known. */
  private called: { readonly wait: OpenWait; readonly ms: number } | undefined;

  /**
   * @param every one wait in so many is told
   * @throws nothing of the observer's may be thrown: Node ends the process for it
   */
  subscribe(observer: WaitObserver, every: number): WaitSubscription {
    const subscriber: Subscriber = {
      observer,
      every,
      sampled: new OneIn(every),
      close: () => this.unsubscribe(subscriber),
    };
    this.subscribers.add(subscriber);
    this.hook ??= this.createHook();
    this.hook.enable();
    return subscriber;
  }

  /** Waits of an observer that have not ended, oldest first. */
  openOf(subscription: WaitSubscription): Wait[] {
    return [...this.open.values()].filter(
      ({ subscribers, isDormant }) => !isDormant && subscribers.includes(subscription as Subscriber),
    );
  }

  private unsubscribe(subscriber: Subscriber): void {
    if (!this.subscribers.delete(subscriber)) return;
    for (const [id, { subscribers }] of this.open) {
      if (subscribers.every((one) => !this.subscribers.has(one))) this.open.delete(id);
    }
    if (this.subscribers.size > 0) return;
    this.hook?.disable();
    this.callers.clear();
    this.bare.clear();
    this.waking = [];
    this.called = undefined;
    this.beginCallback();
  }

  /** Its callbacks run at every promise of the application: no more than a few comparisons in most of them. */
  private createHook(): AsyncHook {
    return createHook({
      init: (id, type, trigger, resource) => {
        this.newest = id;
        if (type !== 'PROMISE') this.resourceBegins(id, type, resource);
        else if (trigger !== executionAsyncId()) this.promiseDerived(id, trigger, resource); // else it awaits nothing
      },
      before: (id) => {
        // A promise's reaction is called by V8 and by nobody else, whatever an exception has left behind.
        if (this.depth > 0 && executionAsyncResource() instanceof Promise) this.depth = 0;
        if (this.depth++ === 0) this.beginCallback();
        if (this.open.size > 0) this.goOn(id);
        if (this.bare.size > 0) this.bare.over(id);
      },
      after: () => {
        this.depth = Math.max(this.depth - 1, 0);
        if (this.depth === 0) this.beginCallback(); // microtasks without hooks of their own may follow
      },
      promiseResolve: (id) => {
        if (this.open.size > 0) this.resolve(id);
        if (this.bare.size > 0) this.bare.over(id);
      },
    });
  }

  /** And the one before ends. */
  private beginCallback(): void {
    if (this.called) this.tell(this.called.wait, this.called.ms);
    if (this.caller) this.moveOn(this.caller);
    this.called = undefined;
    this.caller = undefined;
    this.bare.next();
    this.lastDerived = 0;
    this.lastResource = 0;
    this.lastState = undefined;
    this.lastLeaf = 0;
    this.lastWait = undefined;
    this.bornBefore = this.newest;
  }

  private resourceBegins(id: number, type: string, resource: object): void {
    const state = STATE_OF_RESOURCE.get(type);
    if (!state) return;
    if (this.lastState !== 'IO wait' || state === 'IO wait') {
      this.lastResource = id;
      this.lastState = state;
    }
    if (!ONE_CALLBACK.has(type) || isRepeated(resource)) return;
    const subscribers = this.sampledFor(true);
    if (subscribers.length === 0) return;
    const place = placeOfWait();
    if (!place || (type === 'Timeout' && place.api !== TIMERS)) return; // a timer of Node's own
    const sampled = { subscribers, state, since: performance.now() };
    this.begin(id, resource, place, sampled, this.bare.begin(this.bornBefore));
  }

  private promiseDerived(id: number, trigger: number, resource: object): void {
    if (this.caller?.isOfThenable && isForwarding()) return;
    // An await on a promise that is older than what was awaited in this callback: that of an async function which
    // awaits itself. One that is older than this callback is somebody else's.
    const isLeaf = this.lastDerived < trigger || trigger <= this.bornBefore;
    this.lastDerived = id;
    if (isLeaf) this.leafBegins(id, trigger, resource);
    else if (this.lastWait) this.callerBegins(id, trigger, resource, this.lastWait);
  }

  private leafBegins(id: number, trigger: number, resource: object): void {
    if (this.bare.awaits(id)) this.collected.register(resource, id);
    const behind = this.stateBehind(trigger);
    const { lastWait, lastLeaf: after } = this;
    this.lastLeaf = id;
    this.lastResource = 0;
    this.lastState = undefined;
    this.lastWait = undefined;
    const subscribers = this.sampledFor(false);
    if (subscribers.length === 0) return;
    const place = placeOfWait();
    if (!place || place.isAwaited) return;
    const sampled = { subscribers, state: place.state ?? behind, since: performance.now() };
    const waits = place.isPart ? [] : [this.begin(id, resource, place, sampled)];
    const inner = lastWait?.isOwn === false && !place.isOwn ? lastWait : undefined;
    this.lastWait = {
      ...sampled,
      ...inner,
      isOwn: place.isOwn,
      waits: [...(inner?.waits ?? []), ...waits],
      after,
      until: id,
    };
  }

  /** Who awaits the function that waits. */
  private callerBegins(id: number, trigger: number, resource: object, last: LastWait): void {
    const [callee] = last.waits;
    if (last.isOwn && callee) {
      const isSame = trigger === callee.id;
      const isCaller = isSame || (last.after < trigger && trigger <= last.until);
      this.lastWait = isCaller
        ? { ...last, waits: [this.callerOf(callee, isSame, id, resource)], until: trigger - 1 }
        : undefined;
      return;
    }
    const place = placeOfWait();
    if (!place?.isOwn) return;
    // The application awaits what it has called: this is its wait, from its begin on.
    for (const wait of last.waits) this.open.delete(wait.id);
    const wait = this.begin(id, resource, place, last);
    this.lastWait = { ...last, isOwn: true, waits: [wait], until: trigger - 1 };
  }

  /**
   * Most callers never come to wait themselves: their stack is made of the callee's if it is asked for.
   *
   * @param isSame it is the same function that waits, such as for the promise of `then`
   */
  private callerOf(callee: OpenWait, isSame: boolean, id: number, resource: object): OpenWait {
    const { stacks } = this;
    const { state, since, subscribers } = callee;
    const isOfThenable = isSame && !callee.isDormant && callee.stack[0]!.url !== '';
    let stack: readonly RawFrame[] | undefined;
    const caller: OpenWait = {
      id,
      state,
      since,
      subscribers,
      isDormant: true,
      isOfThenable,
      get stack() {
        return (stack ??= stacks.of(callersStack(callee.stack, isSame)));
      },
    };
    this.putBehind(this.track(caller, resource), callee.id);
    return caller;
  }

  /** Of a resource that began after the promise: in the function that was given to it. A socket may be older. */
  private stateBehind(trigger: number): WaitState | undefined {
    return this.lastResource > trigger || this.lastState === 'IO wait' ? this.lastState : undefined;
  }

  private sampledFor(callback: boolean): Subscriber[] {
    const sampled: Subscriber[] = [];
    for (const subscriber of this.subscribers) {
      if (callback && !subscriber.observer.callbacks) continue;
      if (subscriber.sampled.next()) sampled.push(subscriber);
    }
    return sampled;
  }

  private begin(
    id: number,
    resource: object,
    place: PlaceOfWait,
    { subscribers, state = NOTHING_KNOWN, since }: SampledWait,
    birth?: Birth,
  ): OpenWait {
    const stack = this.stacks.ofSites(place.sites);
    return this.track({ id, state, since, stack, subscribers, birth }, resource);
  }

  private track(wait: OpenWait, resource: object): OpenWait {
    this.open.set(wait.id, wait);
    this.collected.register(resource, wait.id);
    for (const { observer } of wait.subscribers) observer.began?.(wait);
    return wait;
  }

  private goOn(id: number): void {
    if (this.depth === 1 && this.waking.length > 0 && !(executionAsyncResource() instanceof Promise))
      this.wake();
    const caller = this.callers.get(id);
    this.callers.delete(id);
    this.caller ??= caller;
    if (caller?.isOfThenable) this.bare.passOn(id, caller.id);
    const wait = this.open.get(id);
    if (!wait) return;
    this.forget(wait);
    if (wait.isDormant || caller?.isOfThenable) return;
    const ms = performance.now() - wait.since;
    if (!wait.birth) this.tell(wait, ms);
    else if (wait.birth.awaits.size === 0) this.called = { wait, ms };
  }

  private resolve(id: number): void {
    const wait = this.open.get(id);
    if (wait) this.forget(wait); // it was never begun: a reaction that passes a value on
    // The bare callback is that of a promise.
    if (this.called && id < this.called.wait.id && id > this.called.wait.birth!.after)
      this.called = undefined;
  }

  /** Its function goes on, and so has awaited what this callback awaits, if it does that. */
  private moveOn(caller: OpenWait): void {
    if (!this.open.has(caller.id)) return;
    if (this.lastDerived > 0) {
      caller.isOfThenable = false; // that one waits itself
      this.putBehind(caller, this.lastDerived);
    } else {
      this.bare.awaits(caller.id);
      if (!caller.isOfThenable) caller.since = performance.now();
      caller.state = this.lastState ?? (caller.isOfThenable ? caller.state : NOTHING_KNOWN);
      this.waking.push(caller);
    }
  }

  private putBehind(caller: OpenWait, id: number): void {
    caller.behind = id;
    this.callers.set(id, caller);
  }

  private wake(): void {
    for (const wait of this.waking) {
      if (!this.open.delete(wait.id) || !wait.stack.some(({ url }) => isUsers(url))) continue;
      wait.isDormant = false;
      this.open.set(wait.id, wait); // the youngest
    }
    this.waking = [];
  }

  private lose(id: number): void {
    this.bare.over(id);
    const wait = this.open.get(id);
    if (!wait) return;
    this.forget(wait);
    if (wait.isDormant) return;
    for (const { observer } of wait.subscribers) observer.lost?.(wait);
  }

  private tell(wait: OpenWait, ms: number): void {
    for (const { observer } of wait.subscribers) observer.ended?.(wait, ms);
  }

  private forget({ id, behind }: OpenWait): void {
    this.open.delete(id);
    if (behind !== undefined) this.callers.delete(behind);
  }
}

/** The stack of who awaits a function that waits: below that one's own frame, and that of what it has called of V8's. */
function callersStack(callee: readonly RawFrame[], isSame: boolean): readonly RawFrame[] {
  const own = callee.findIndex(({ url }) => url !== '');
  return callee.slice(isSame ? own : own + 1);
}

/** V8 calls `then` of a promise, and nobody has called V8. */
function isForwarding(): boolean {
  return placeOfWait()?.isAwaited !== false;
}

/** `setInterval`: nobody waits for it. */
function isRepeated(resource: object): boolean {
  const { _repeat: every } = resource as { _repeat?: number | null };
  return every !== undefined && every !== null;
}
