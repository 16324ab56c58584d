import type { WaitCause } from '../../format/trace-event.js';
import type { CallerFrame } from '../../sampling/call-stack.js';
import { PresentCallback } from '../../sampling/present-callback.js';
import { isOwn, type Origin, StackOrigins, stateOf } from '../../sampling/stack-origin.js';
import type { CallStack } from '../../sampling/wait-sample.js';
import { PROMISE_STATE, RESOURCE_KINDS, type WaitState } from '../../sampling/wait-states.js';
import { type Awaited, type Execution, type ExecutionTag, tag, tagOf, UNDECIDED } from './execution.js';
import { ThreadTimeline, type TimelineWorld } from './thread-timeline.js';

/** What the recorder uses of Node; tests replace it. */
export interface TraceWorld extends TimelineWorld {
  executionAsyncId(): number;
  executionAsyncResource(): object;
  /**
   * The stack that called a hook; if possible, the same array for equal stacks.
   *
   * @param depth maximum number of frames; defaults to the highest possible
   */
  stackOf(hook: (...args: never[]) => unknown, depth?: number): readonly CallerFrame[];
}

/** Maximum number of pending awaits that are tracked. */
const MOST_WAITS = 100_000;

/** Number of frames in stacks of waits; each takes 0.3 µs. */
const WAIT_DEPTH = 24;

/** Types of resources whose callback runs before the event loop continues. */
const TICKS = new Set(['TickObject', 'Microtask']);

const CAUSES: Readonly<Record<WaitState, WaitCause>> = {
  'IO wait': 'network',
  sleep: 'timer',
  syscall: 'syscall',
  'chan receive': 'promise',
  select: 'select',
};

/**
 * Records an execution trace from the events of `async_hooks`. A callback belongs to the execution in which its resource was
 * created. A callback of a long-lived resource, such as a socket, starts a new execution if the application waits for anything in it;
 * until then it is undecided, and in the end it belongs to the event loop. What an execution waits for follows the rule of
 * `AsyncWaits`: its innermost `await`, or the resource that was created for a callback.
 */
export class TraceRecorder extends ThreadTimeline {
  private readonly origins = new StackOrigins();
  /** Start functions of stacks; null for stacks without code of the application. */
  private readonly startFunctions = new WeakMap<CallStack, CallerFrame | null>();
  private readonly callback = new PresentCallback();
  private resourceCause: WaitCause = 'promise';
  private resourceStack: CallStack | undefined;
  /** The last resolved promise. */
  private resolved = 0;

  /** @param limit maximum number of events kept until they are taken; when it is reached, recording ends */
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
    if (kind?.isOneShot === false) return this.use(id, CAUSES[kind.state], undefined); // long-lived
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

  /** A socket was written to: the application's next await is for the network. */
  readonly written = (): void => this.use(0, 'network', undefined);

  /** The running execution, with its own goroutine if possible. */
  decided(): Execution {
    const execution = this.running();
    if (execution.goroutine === UNDECIDED)
      this.decide(execution, this.origins.of(this.world.stackOf(this.decided)));
    return this.outsideIfUndecided();
  }

  /** Assigns the running callback's resource to an execution, so that its later callbacks belong to it too. */
  adopt(execution: Execution): void {
    tag(this.world.executionAsyncResource(), execution.tag('nodes'));
  }

  /** @returns the execution of a derived promise */
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
    const isResolved = trigger === this.resolved; // possibly with another, pending promise
    if (isResolved && id === trigger + 1 && execution.goroutine !== UNDECIDED) return execution; // it continues at once
    const origin = this.origin(execution);
    if (!origin.isUser || (origin.isAsync && !origin.isNodes)) return execution; // V8 only forwards a promise
    const cause = isForResource ? this.resourceCause : CAUSES[stateOf(origin, PROMISE_STATE)];
    return this.await(this.decide(execution, origin), isResolved ? id : trigger, {
      cause,
      stack: origin.stack,
      isForPromise: !isResolved,
    });
  }

  /** @param promise the awaited promise, or the promise of the `await`, whose callback ends the wait */
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

  /** Reads the full stack if the execution is undecided, to find where it starts. */
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
   * Decides an undecided execution: it gets its own goroutine if the application's code is on the stack, and starts at the outermost
   * frame of that code.
   *
   * @returns the decided execution
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
