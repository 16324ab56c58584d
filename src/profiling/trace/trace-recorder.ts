import type { WaitCause } from '../../format/trace-event.js';
import type { CallerFrame } from '../../sampling/call-stack.js';
import { PresentCallback } from '../../sampling/present-callback.js';
import { isOwn, type Origin, StackOrigins, stateOf } from '../../sampling/stack-origin.js';
import type { CallStack } from '../../sampling/wait-sample.js';
import { PROMISE_STATE, RESOURCE_KINDS, type WaitState } from '../../sampling/wait-states.js';
import { type Awaited, type Execution, type ExecutionTag, tag, tagOf, UNDECIDED } from './execution.js';
import { ThreadTimeline, type TimelineWorld } from './thread-timeline.js';

/** The world around the recorder, which tests replace. */
export interface TraceWorld extends TimelineWorld {
  executionAsyncId(): number;
  executionAsyncResource(): object;
  /**
   * The stack that has led to a hook; the same list for the same stack, if possible.
   *
   * @param depth frames that are kept; left out for all that can be
   */
  stackOf(hook: (...args: never[]) => unknown, depth?: number): readonly CallerFrame[];
}

/** Awaits at once of which it is known what they wait for. */
const MOST_WAITS = 100_000;

/** Frames of the stacks of waits: each takes 0.3 µs. */
const WAIT_DEPTH = 24;

/** Types of what is called back before the event loop goes on. */
const TICKS = new Set(['TickObject', 'Microtask']);

const CAUSES: Readonly<Record<WaitState, WaitCause>> = {
  'IO wait': 'network',
  sleep: 'timer',
  syscall: 'syscall',
  'chan receive': 'promise',
  select: 'select',
};

/**
 * Makes an execution trace of the events of `async_hooks`. A callback belongs to the execution that its resource was made
 * in. A callback of what lives on, such as a socket, begins an execution of its own if the application waits for
 * anything in it; until then that is undecided, and otherwise it belongs to the event loop. What an execution waits for is told as in
 * `AsyncWaits`: by its innermost `await`, or by the resource that was made for a callback.
 */
export class TraceRecorder extends ThreadTimeline {
  private readonly origins = new StackOrigins();
  /** What stacks begin at; null for those without code of the application. */
  private readonly startFunctions = new WeakMap<CallStack, CallerFrame | null>();
  private readonly callback = new PresentCallback();
  private resourceCause: WaitCause = 'promise';
  private resourceStack: CallStack | undefined;
  /** The promise that was resolved last. */
  private resolved = 0;

  /** @param limit of events that are kept until they are taken; past it, recording ends */
  constructor(
    private readonly world: TraceWorld,
    limit: number,
  ) {
    super(world, limit);
  }

  readonly init = (id: number, type: string, trigger: number, resource: object): void => {
    this.callback.make(id);
    let execution = this.running();
    if (type === 'PROMISE') {
      if (trigger === this.world.executionAsyncId()) return tag(resource, execution.tag('promise')); // not derived
      execution = this.derive(execution, id, trigger);
      tag(resource, execution.tag('await'));
      execution.pending++;
      return;
    }
    const kind = RESOURCE_KINDS.get(type);
    if (!kind && type !== 'Immediate')
      return tag(resource, execution.tag(TICKS.has(type) ? 'tick' : 'other'));
    if (kind?.isOneShot === false) return this.use(id, CAUSES[kind.state], undefined); // called back for anybody
    const origin = this.origin(execution);
    if (!origin.isUser || (type === 'Timeout' && !origin.setsTimer))
      return tag(resource, execution.tag('nodes'));
    execution = this.decide(execution, origin);
    tag(resource, execution.tag('callback'));
    execution.pending++;
    const { stack } = origin;
    const cause = origin.isFetch ? 'network' : kind ? CAUSES[kind.state] : 'yield';
    this.use(id, cause, stack);
    execution.waits.add(id, { cause, stack, callback: new WeakRef(resource) });
  };

  readonly before = (id: number): void => {
    const time = this.world.now();
    this.callback.begin();
    const resource = this.world.executionAsyncResource();
    const tagged = tagOf(resource);
    const execution = this.executionOf(tagged);
    this.beginCallback(execution, tagged ? tagged.isDrained : resource instanceof Promise, time);
    execution.waits.calledBack(id);
    execution.isReady = false;
  };

  readonly after = (): void => this.endCallback();

  readonly promiseResolve = (id: number): void => {
    this.resolved = id;
    const waiting = this.waiting.get(id);
    if (!waiting) return;
    this.waiting.delete(id);
    waiting.waits.delete(id);
    waiting.isReady = true;
    if (waiting === this.running() || !waiting.isAsleep) return;
    waiting.isAsleep = false;
    this.outsideIfUndecided();
    this.emit({ type: 'wake', ...this.at(waiting) });
  };

  /** A socket is written to: what the application awaits then comes from there. */
  readonly written = (): void => this.use(0, 'network', undefined);

  /** What runs now, as an execution of its own if possible. */
  decided(): Execution {
    const execution = this.running();
    if (execution.goroutine === UNDECIDED)
      this.decide(execution, this.origins.of(this.world.stackOf(this.decided)));
    return this.outsideIfUndecided();
  }

  /** The callback that runs is one of several of the execution. */
  adopt(execution: Execution): void {
    tag(this.world.executionAsyncResource(), execution.tag('nodes'));
  }

  /** @returns the execution that a derived promise is of */
  private derive(execution: Execution, id: number, trigger: number): Execution {
    const { callback } = this;
    if (!callback.derive(id, trigger)) return execution;
    callback.awaited = trigger;
    const isForResource = callback.isForResource(trigger);
    if (isForResource && this.resourceStack)
      return this.await(execution, trigger, {
        cause: this.resourceCause,
        stack: this.resourceStack,
        isForPromise: true,
      });
    const isResolved = trigger === this.resolved; // perhaps with another promise, that is pending
    if (isResolved && id === trigger + 1 && execution.goroutine !== UNDECIDED) return execution; // it goes on at once
    const origin = this.origin(execution);
    if (!origin.isUser || (origin.isAsync && !origin.isNodes)) return execution; // V8 only forwards a promise
    const cause = isForResource ? this.resourceCause : CAUSES[stateOf(origin, PROMISE_STATE)];
    return this.await(this.decide(execution, origin), isResolved ? id : trigger, {
      cause,
      stack: origin.stack,
      isForPromise: !isResolved,
    });
  }

  /** @param promise the awaited one, or that of the `await`, which ends it when it goes on */
  private await(execution: Execution, promise: number, awaited: Awaited): Execution {
    if (this.waiting.size >= MOST_WAITS) return execution;
    this.waiting.delete(execution.waits.add(promise, awaited));
    this.waiting.set(promise, execution);
    return execution;
  }

  private use(resource: number, cause: WaitCause, stack: CallStack | undefined): void {
    this.callback.use(resource, cause === 'syscall');
    this.resourceCause = cause;
    this.resourceStack = stack;
  }

  /** All of the stack tells where an execution begins. */
  private origin({ goroutine }: Execution): Origin {
    const depth = goroutine === UNDECIDED ? undefined : WAIT_DEPTH;
    return this.origins.of(this.world.stackOf(this.init, depth));
  }

  private executionOf(tagged: ExecutionTag | undefined): Execution {
    const execution = tagged?.execution.became ?? tagged?.execution;
    if (execution?.trace !== this.identity || execution.hasEnded) return this.unknown();
    if (tagged!.isNodes && !this.isRunning(execution)) return this.unknown(execution);
    if (tagged!.isCounted && execution.pending > 0) execution.pending--;
    return execution;
  }

  /**
   * It is one of its own if the application's code is on the stack: it begins at the outermost frame of that.
   *
   * @returns what it is
   */
  private decide(execution: Execution, { stack }: Origin): Execution {
    if (execution.goroutine !== UNDECIDED) return execution;
    this.closeInterrupted();
    const { inPlaceOf } = execution;
    if (inPlaceOf?.hasEnded === false) {
      this.replaceBy(execution, inPlaceOf);
      return inPlaceOf;
    }
    const fn = this.startFunction(stack);
    if (fn) this.makeOwn(execution, fn);
    return execution;
  }

  private startFunction(stack: CallStack): CallerFrame | undefined {
    let fn = this.startFunctions.get(stack);
    if (fn === undefined)
      this.startFunctions.set(stack, (fn = stack.frames.findLast(isOfApplication) ?? null));
    return fn ?? undefined;
  }
}

function isOfApplication({ filename }: CallerFrame): boolean {
  return (
    filename !== '' &&
    !filename.startsWith('node:') &&
    !filename.startsWith('wasm:') &&
    !/[\\/]node_modules[\\/]/.test(filename) &&
    !isOwn(filename)
  );
}
