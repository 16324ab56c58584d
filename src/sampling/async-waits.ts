import type { CallerFrame } from './call-stack.js';
import { PresentCallback } from './present-callback.js';
import { type Origin, StackOrigins, stateOf } from './stack-origin.js';
import { type SampleWorld, type Wait, type WaitObserver, WaitSample } from './wait-sample.js';
import { PROMISE_STATE, RESOURCE_KINDS, type WaitState } from './wait-states.js';

/** The world around the rule, which tests replace. */
export interface WaitWorld extends SampleWorld {
  executionAsyncId(): number;
  context(): unknown;
  /** The stack that has led to a hook; the same list for the same stack, if possible. */
  stackOf(hook: (...args: never[]) => unknown): readonly CallerFrame[];
}

/**
 * Tells waits from the events of `async_hooks`. An `await` makes a promise that is derived from the awaited one. It
 * is innermost unless one was derived from another promise after the awaited one was made: then a callee waits already,
 * and the wait is the callee's. A promise from before the present callback is another execution's. A callback is a wait
 * of its own unless it settles a promise: then the wait is that of who awaits it.
 *
 * Of what is not sampled nothing is stored.
 */
export class AsyncWaits {
  samples: readonly WaitSample[] = [];
  private readonly callback = new PresentCallback();
  /** The innermost waits that began in it. */
  private innermost: number[] = [];
  private resourceState: WaitState = PROMISE_STATE;
  /** The promise that was resolved last. */
  private resolved = 0;
  /** A wait that began in the present callback, in a function of Node that the application called: it may await that. */
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

  /** @param mayRepeat the promise was made right after another one was derived: Node's own functions only forward that */
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

  /** An await of a caller. */
  private sampleCovered(id: number, trigger: number, resource: object): void {
    const wanting = this.wanting(true);
    if (wanting.length === 0) return;
    const wait = this.waitOf(id, true, PROMISE_STATE, this.origin(), false);
    if (!wait) return;
    const covers = this.coversOf(trigger);
    for (const sample of wanting) sample.add(wait, resource, true, covers);
  }

  /**
   * The innermost waits that an await of a caller may wait behind: those since the call that has made its promise, of which
   * the first ones and the last one are surely enough. Without any it is `Promise.all`, which waits behind each.
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

  /** Only then it is known of all steps of a function of Node that they are its; otherwise each is a wait. */
  private areAllSampled(): boolean {
    for (const { observer } of this.samples) if (observer.rate > 1) return false;
    return true;
  }

  /**
   * Takes an await of the application for the wait that a function of Node has begun, which it called and now awaits: Node
   * goes on in several steps, and its result is a promise of its own.
   *
   * @returns whether there is nothing more to do for the promise
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

  /** Undefined if no code of the application waits: V8 forwards a promise, or Node does something of its own. */
  private waitOf(
    id: number,
    isAwait: boolean,
    ofResource: WaitState,
    origin: Origin,
    mayRepeat: boolean,
  ): Wait | undefined {
    const { stack, isUser, isNodes, isAsync, isTimer, canBeDropped } = origin;
    if (!isUser) return undefined;
    // What awaits is not executing: V8 forwards a promise, or Node goes on with what it was called for.
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

/** Of those that began when a function was called first. */
const MOST_COVERS = 8;
