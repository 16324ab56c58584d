import type { CallerFrame } from './call-stack.js';
import { PresentCallback } from './present-callback.js';
import { type Origin, StackOrigins, stateOf } from './stack-origin.js';
import { type SampleWorld, type Wait, type WaitObserver, WaitSample } from './wait-sample.js';
import { PROMISE_STATE, RESOURCE_KINDS, type WaitState } from './wait-states.js';

/** What the rule uses of Node; tests replace it. */
export interface WaitWorld extends SampleWorld {
  executionAsyncId(): number;
  context(): unknown;
  /** The stack that called a hook; if possible, the same array for equal stacks. */
  stackOf(hook: (...args: never[]) => unknown): readonly CallerFrame[];
}

/**
 * Derives waits from the events of `async_hooks`. An `await` creates a promise that is derived from the awaited one. It is innermost
 * unless another promise was derived after the awaited one was created: then a callee is already waiting, and the wait is the
 * callee's. A promise created before the current callback belongs to another execution. A callback is a separate wait unless it
 * settles a promise: then the wait is that of the promise's `await`.
 *
 * Nothing is stored for waits that are not sampled.
 */
export class AsyncWaits {
  samples: readonly WaitSample[] = [];
  private readonly callback = new PresentCallback();
  /** The innermost waits that began in the callback. */
  private innermost: number[] = [];
  private resourceState: WaitState = PROMISE_STATE;
  /** The last resolved promise. */
  private resolved = 0;
  /** A wait that began in the current callback, in a function of Node whose result the application may await. */
  private inNode: { readonly wait: Wait; readonly samples: readonly WaitSample[] } | undefined;
  private readonly origins = new StackOrigins();

  constructor(private readonly world: WaitWorld) {}

  readonly init = (id: number, type: string, trigger: number, resource: object): void => {
    const { callback } = this;
    callback.make(id);
    if (type !== 'PROMISE') {
      const kind = RESOURCE_KINDS.get(type);
      if (!kind) return;
      callback.use(id, kind.state === 'syscall');
      this.resourceState = kind.state;
      if (kind.isOneShot) this.sample(id, false, kind.state, resource);
      return;
    }
    if (trigger === this.world.executionAsyncId()) return; // not derived
    const { derived } = callback;
    const isInnermost = callback.derive(id, trigger);
    if (this.inNode && this.awaitsNode(id, isInnermost, resource)) return;
    if (!isInnermost) return this.sampleCovered(id, trigger, resource);
    this.innermost.push(id);
    for (const sample of this.samples) sample.cover(id);
    callback.awaited = trigger;
    const isOfResource = callback.isForResource(trigger);
    if (isOfResource && this.resourceState !== 'sleep')
      for (const sample of this.samples) sample.drop(callback.resource);
    const state = isOfResource ? this.resourceState : PROMISE_STATE;
    const mayRepeat = derived > 0 && trigger === derived + 1;
    this.sample(id, true, state, resource, { mayRepeat, isDoubtful: trigger === this.resolved });
  };

  readonly before = (id: number): void => {
    this.callback.begin();
    if (this.innermost.length > 0) this.innermost = [];
    this.inNode = undefined;
    for (const sample of this.samples) {
      sample.endCallback();
      sample.end(id);
    }
  };

  readonly promiseResolve = (id: number): void => {
    this.resolved = id;
    for (const sample of this.samples) {
      sample.drop(id);
      if (this.callback.isOld(id)) sample.dropCallback();
    }
  };

  join(observer: WaitObserver): WaitSample {
    const sample = new WaitSample(observer, this.world);
    this.samples = [...this.samples, sample];
    return sample;
  }

  leave(sample: WaitSample): void {
    this.samples = this.samples.filter((one) => one !== sample);
    sample.clear();
  }

  /** @param mayRepeat the promise was created right after another one was derived: in Node's functions, that only forwards a promise */
  private sample(
    id: number,
    isAwait: boolean,
    state: WaitState,
    resource: object,
    { mayRepeat = false, isDoubtful = false } = {},
  ): void {
    const wanting = this.wanting(isAwait);
    if (wanting.length === 0) return;
    const origin = this.origin();
    const wait = this.waitOf(id, isAwait, state, origin, mayRepeat);
    if (!wait) return;
    for (const sample of wanting) sample.add(wait, resource, isDoubtful);
    if (isAwait && origin.isNodes && this.areAllSampled()) this.inNode = { wait, samples: wanting };
  }

  /** Samples an await of a caller, which callees' waits cover. */
  private sampleCovered(id: number, trigger: number, resource: object): void {
    const wanting = this.wanting(true);
    if (wanting.length === 0) return;
    const wait = this.waitOf(id, true, PROMISE_STATE, this.origin(), false);
    if (!wait) return;
    const covers = this.coversOf(trigger);
    for (const sample of wanting) sample.add(wait, resource, true, covers);
  }

  /**
   * The innermost waits that may cover a caller's await: those since the call that created its promise; the first few and the last one
   * are enough. If there are none, it is `Promise.all`, which all of them cover.
   */
  private coversOf(call: number): readonly number[] {
    const { innermost } = this;
    let first = innermost.length;
    while (first > 0 && innermost[first - 1]! > call) first--;
    const since = innermost.slice(first);
    if (since.length === 0) return innermost;
    return since.length > MOST_COVERS ? [...since.slice(0, MOST_COVERS), since.at(-1)!] : since;
  }

  private wanting(isAwait: boolean): WaitSample[] {
    const wanting: WaitSample[] = [];
    for (const sample of this.samples) if (sample.wants(isAwait)) wanting.push(sample);
    return wanting;
  }

  /** Only then all steps of a function of Node can be joined to one wait; otherwise each step is a wait. */
  private areAllSampled(): boolean {
    for (const { observer } of this.samples) if (observer.rate > 1) return false;
    return true;
  }

  /**
   * Replaces the wait that a function of Node began by the application's await of its result: Node continues in several steps, and
   * returns another promise.
   *
   * @returns whether the promise needs no further processing
   */
  private awaitsNode(id: number, isInnermost: boolean, resource: object): boolean {
    const { wait, samples } = this.inNode!;
    const { stack, isNodes } = this.origin();
    const [own, caller] = [stack.frames[0], wait.stack.frames[0]!];
    if (own?.name !== caller.name || own.filename !== caller.filename) return false;
    if (isNodes) return true;
    this.inNode = undefined;
    if (isInnermost) return false;
    for (const sample of samples) sample.replace(wait.id, { ...wait, id, stack }, resource);
    this.innermost[this.innermost.indexOf(wait.id)] = id;
    return true;
  }

  /** Undefined if no application code waits: V8 forwards a promise, or Node does internal work. */
  private waitOf(
    id: number,
    isAwait: boolean,
    ofResource: WaitState,
    origin: Origin,
    mayRepeat: boolean,
  ): Wait | undefined {
    const { stack, isUser, isNodes, isAsync, isTimer, canBeDropped } = origin;
    if (!isUser) return undefined;
    // The awaiting code is not executing: V8 forwards a promise, or Node continues a call.
    if (isAsync && (!isNodes || this.areAllSampled())) return undefined;
    if (mayRepeat && isNodes) return undefined;
    if (!isAwait && ofResource === 'sleep' && !isTimer) return undefined;
    return {
      id,
      isAwait,
      state: stateOf(origin, ofResource),
      stack,
      context: this.world.context(),
      begin: this.world.now(),
      canBeDropped,
    };
  }

  private origin(): Origin {
    return this.origins.of(this.world.stackOf(this.init));
  }
}

/** Number of covering waits that are kept from the start of a call. */
const MOST_COVERS = 8;
