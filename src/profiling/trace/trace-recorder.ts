import type { TraceEvent, WaitCause } from '../../format/trace-event.js';
import type { CallerFrame } from '../../sampling/call-stack.js';
import { PresentCallback } from '../../sampling/present-callback.js';
import { isOwn, type Origin, StackOrigins, stateOf } from '../../sampling/stack-origin.js';
import type { CallStack } from '../../sampling/wait-sample.js';
import { PROMISE_STATE, RESOURCE_KINDS, type WaitState } from '../../sampling/wait-states.js';
import {
  type Awaited,
  Execution,
  type ExecutionTag,
  FROM_OUTSIDE,
  OUTSIDE,
  tag,
  tagOf,
  UNDECIDED,
} from './execution.js';
import { TraceBuffer } from './trace-buffer.js';

/** The world around the recorder, which tests replace. */
export interface TraceWorld {
  /** Of the process. */
  readonly pid: number;
  /** In ns, whole. */
  now(): number;
  executionAsyncId(): number;
  executionAsyncResource(): object;
  /**
   * The stack that has led to a hook; the same list for the same stack, if possible.
   *
   * @param depth frames that are kept; left out for all that can be
   */
  stackOf(hook: (...args: never[]) => unknown, depth?: number): readonly CallerFrame[];
}

/** The main thread. */
export const MAIN = 0;

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

/** Where and for whom an event is. */
export interface OfGoroutine {
  readonly time: number;
  readonly thread: number;
  readonly goroutine: number;
}

/**
 * Makes an execution trace of the events of `async_hooks`. A callback belongs to the execution that its resource was made
 * in. A callback of what lives on, such as a socket, begins an execution of its own if the application waits for
 * anything in it; until then that is undecided, and otherwise it belongs to {@link OUTSIDE}. What an execution waits for is told as in
 * `AsyncWaits`: by its innermost `await`, or by the resource that was made for a callback.
 */
export class TraceRecorder {
  readonly buffer: TraceBuffer;
  /** What tags hold of the recorder: some live on after it. */
  private readonly identity = {};
  private readonly origins = new StackOrigins();
  /** What stacks begin at; null for those without code of the application. */
  private readonly startFunctions = new WeakMap<CallStack, CallerFrame | null>();
  /** Executions by the promises that they wait for. */
  private readonly waiting = new Map<number, Execution>();
  private lastGoroutine = OUTSIDE;
  /** What runs, or ran last. */
  private current = new Execution(this.identity, OUTSIDE, true);
  /** When the last callback ended; undefined while one runs. */
  private idleSince: number | undefined;
  /** What has run since is no callback: Node makes some resources by itself. */
  private isOutside = false;
  /** What ran before a callback of Node's own that has done nothing yet. */
  private interrupted: { readonly execution: Execution; readonly idleSince: number } | undefined;
  /** Callbacks run inside others. */
  private readonly callers: Execution[] = [];
  private depth = 0;
  /** Those that have stopped running for others since the event loop went on. */
  private readonly yielded: Execution[] = [];
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
    this.buffer = new TraceBuffer(limit);
    const time = world.now();
    const start = this.buffer.start('(event loop)');
    this.emit({ type: 'thread', time, thread: MAIN, id: world.pid, name: 'main' });
    this.emit({ type: 'create', time, thread: MAIN, goroutine: OUTSIDE, start });
    this.emit({ type: 'run', time, thread: MAIN, goroutine: OUTSIDE });
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
    const isNested = this.depth++ > 0;
    if (isNested) this.callers.push(this.outsideIfUndecided());
    else this.goOn(execution, tagged ? tagged.isDrained : resource instanceof Promise, time);
    execution.waits.calledBack(id);
    execution.isReady = false;
    if (execution !== this.current) this.begin(execution, time);
  };

  /** The last callback has ended, and another one begins. */
  private goOn(execution: Execution, isDrained: boolean, time: number): void {
    const { current, idleSince = time } = this;
    this.idleSince = undefined;
    this.isOutside = false;
    if (isDrained && execution === current) return;
    if (execution.inPlaceOf === current) {
      this.interrupted = { execution: current, idleSince };
      return;
    }
    this.close(idleSince, isDrained);
    if (!isDrained) this.settleYielded(time);
    if (execution === current) this.begin(execution, time);
  }

  /** Node's own callback has done nothing: it is not shown, and may have come before the ticks and promises of the one before. */
  private resume({ execution, idleSince }: NonNullable<TraceRecorder['interrupted']>): void {
    this.interrupted = undefined;
    this.current = execution;
    this.idleSince = idleSince;
  }

  /** It has done something: what ran before has stopped running then. */
  private closeInterrupted(): void {
    const { interrupted, current } = this;
    if (!interrupted) return;
    this.interrupted = undefined;
    this.current = interrupted.execution;
    this.close(interrupted.idleSince);
    this.current = current;
  }

  /** The event loop has gone on: what could have run before is waiting. */
  private settleYielded(time: number): void {
    for (const execution of this.yielded.splice(0)) {
      if (execution.hasEnded || !execution.isYielding) continue;
      execution.isReady = false;
      const of = { time, thread: MAIN, goroutine: execution.goroutine };
      this.emit({ type: 'run', ...of });
      this.sleep(execution, of);
    }
  }

  readonly after = (): void => {
    const time = this.world.now();
    if (this.depth <= 1) {
      this.depth = 0;
      this.idleSince ??= time; // of a callback that began before the trace
      if (this.interrupted) this.resume(this.interrupted);
      return;
    }
    this.depth--;
    const outer = this.callers.pop()!;
    if (outer === this.current) return;
    this.close(time);
    this.begin(outer.hasEnded ? new Execution(this.identity) : outer, time);
  };

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

  /** What runs now. */
  begun(): Execution {
    this.running();
    return this.outsideIfUndecided();
  }

  /** What runs now, as an execution of its own if possible. */
  decided(): Execution {
    const execution = this.running();
    if (execution.goroutine === UNDECIDED)
      this.decide(execution, this.origins.of(this.world.stackOf(this.decided)));
    return this.outsideIfUndecided();
  }

  /**
   * Begins an execution.
   *
   * @param start id of a stack that will have its start function
   */
  create(start: number, { isKept = false, task = 0, isNew = true } = {}): Execution {
    const execution = new Execution(this.identity, ++this.lastGoroutine, isKept, task);
    if (isNew) this.running();
    this.outsideIfUndecided(); // which begins before it
    this.emit({ type: 'create', ...this.at(execution), start, ...(!isNew && { waits: 'network' }) });
    return execution;
  }

  /** What executes from here on is for that execution. */
  switchTo(execution: Execution): void {
    this.running();
    const time = this.world.now();
    this.close(time);
    this.begin(execution, time);
  }

  /** What executes from here on is for an execution that is not known yet. */
  leave(): void {
    this.switchTo(new Execution(this.identity));
  }

  /** The callback that runs is one of several of the execution. */
  adopt(execution: Execution): void {
    tag(this.world.executionAsyncResource(), execution.tag('nodes'));
  }

  /** Does work as another execution. */
  runAs<T>(execution: Execution, work: () => T): T {
    const caller = this.begun();
    if (caller === execution) return work();
    this.begin(execution, this.world.now());
    try {
      return work();
    } finally {
      if (execution.hasEnded) this.begin(caller, this.world.now());
      else if (this.current === execution) this.switchTo(caller);
    }
  }

  /** Ends an execution that does not run and of which nothing is to come. */
  endIfOver(execution: Execution): void {
    if (execution === this.current || execution.hasEnded || !execution.isOver) return;
    this.emit({ type: 'end', ...this.at(execution) });
    this.end(execution);
  }

  /** Ends the execution that runs. */
  endCurrent(): void {
    const { current } = this;
    this.emit({ type: 'end', ...this.at(current) });
    this.end(current);
    this.begin(new Execution(this.identity), this.world.now());
  }

  /** The events since they were taken last. In them, nothing is running at the end. */
  take(): TraceEvent[] {
    const isRunning = this.idleSince === undefined && this.current.goroutine !== UNDECIDED;
    if (isRunning) this.emit({ type: 'preempt', ...this.at(this.current) });
    const events = this.buffer.take();
    if (isRunning) this.emit({ type: 'run', ...this.at(this.current) });
    return events;
  }

  /** Ends what is recorded. */
  stop(): void {
    const time = this.world.now();
    this.close(this.idleSince ?? time);
    this.buffer.close({ time, thread: MAIN, goroutine: OUTSIDE });
  }

  at({ goroutine }: Execution): OfGoroutine {
    return { time: this.world.now(), thread: MAIN, goroutine };
  }

  emit(event: TraceEvent): void {
    this.buffer.add(event);
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
    if (execution?.trace !== this.identity || execution.hasEnded) return new Execution(this.identity);
    const isRunning = execution === this.current ? this.depth > 0 : !execution.isAsleep;
    if (tagged!.isNodes && !isRunning) return new Execution(this.identity, UNDECIDED, false, 0, execution);
    if (tagged!.isCounted && execution.pending > 0) execution.pending--;
    return execution;
  }

  /** What runs now. Code outside of callbacks begins an execution. */
  private running(): Execution {
    if (this.idleSince === undefined) return this.current;
    const time = this.world.now();
    if (!this.isOutside) {
      this.close(this.idleSince);
      this.begin(new Execution(this.identity), time);
      this.isOutside = true;
    }
    this.idleSince = time; // nobody tells when it ends
    return this.current;
  }

  /**
   * It is one of its own if the application's code is on the stack: it begins at the outermost frame of that.
   *
   * @returns what it is
   */
  private decide(execution: Execution, { stack }: Origin): Execution {
    if (execution.goroutine !== UNDECIDED) return execution;
    const { begin: time, inPlaceOf } = execution;
    this.closeInterrupted();
    if (inPlaceOf?.hasEnded === false) {
      execution.became = inPlaceOf;
      this.begin(inPlaceOf, time);
      return inPlaceOf;
    }
    const fn = this.startFunction(stack);
    if (!fn) return execution;
    const goroutine = ++this.lastGoroutine;
    execution.goroutine = goroutine;
    this.emit({ type: 'create', time, thread: MAIN, goroutine, start: this.buffer.start(fn) });
    this.run(execution);
    return execution;
  }

  private startFunction(stack: CallStack): CallerFrame | undefined {
    let fn = this.startFunctions.get(stack);
    if (fn === undefined)
      this.startFunctions.set(stack, (fn = stack.frames.findLast(isOfApplication) ?? null));
    return fn ?? undefined;
  }

  private outsideIfUndecided(): Execution {
    const { current } = this;
    if (current.goroutine === UNDECIDED) {
      this.closeInterrupted();
      current.goroutine = OUTSIDE;
      this.run(current);
    }
    return current;
  }

  private begin(execution: Execution, time: number): void {
    this.current = execution;
    execution.begin = time;
    if (execution.goroutine === OUTSIDE) execution.goroutine = UNDECIDED;
    if (execution.goroutine !== UNDECIDED) this.run(execution);
  }

  private run(execution: Execution): void {
    const { goroutine, begin: time } = execution;
    execution.isAsleep = false;
    execution.isYielding = false;
    this.emit({ type: 'run', time, thread: MAIN, goroutine });
  }

  /** What has run waits from now on, or has ended. */
  private close(time: number, isDraining = false): void {
    const execution = this.outsideIfUndecided();
    const { goroutine } = execution;
    const of = { time, thread: MAIN, goroutine };
    if (execution.pending > 0) execution.pending -= execution.waits.forgetCleared();
    if (goroutine !== OUTSIDE && execution.isOver) {
      this.end(execution);
      return this.emit({ type: 'end', ...of });
    }
    const isReady = execution.isReady || execution.waits.isEmpty;
    if (!isDraining || !isReady || goroutine === OUTSIDE) return this.sleep(execution, of);
    // What goes on in the same turn of the event loop has not waited.
    execution.isYielding = true;
    this.yielded.push(execution);
    this.emit({ type: 'wait', ...of, cause: 'yield', stack: 0 });
  }

  private sleep(execution: Execution, of: OfGoroutine): void {
    const { cause, stack } = of.goroutine === OUTSIDE ? FROM_OUTSIDE : execution.next;
    execution.isYielding = false;
    execution.isAsleep = cause !== 'yield';
    this.emit({ type: 'wait', ...of, cause, stack: this.buffer.stackId(stack) });
  }

  private end(execution: Execution): void {
    execution.hasEnded = true;
    for (const id of execution.waits.clear()) this.waiting.delete(id);
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
