import type { TraceEvent } from '../../format/trace-event.js';
import { Execution, FROM_OUTSIDE, OUTSIDE, UNDECIDED } from './execution.js';
import { type StartFunction, TraceBuffer } from './trace-buffer.js';

/** The main thread. */
export const MAIN = 0;

/** What a timeline uses of Node; tests replace it. */
export interface TimelineWorld {
  readonly pid: number;
  /** In whole nanoseconds. */
  now(): number;
}

/** Time, thread and goroutine of an event. */
interface OfGoroutine {
  readonly time: number;
  readonly thread: number;
  readonly goroutine: number;
}

/**
 * Records as trace events which execution runs when on the main thread, from the start and end of callbacks, which may be nested.
 * Whether an execution gets its own goroutine may be decided later; then its events are added with the time of its start.
 */
export class ThreadTimeline {
  readonly buffer: TraceBuffer;
  /** Identifies the timeline in tags, some of which outlive it. */
  protected readonly identity = {};
  /** Executions by the promises for which they wait. */
  protected readonly waiting = new Map<number, Execution>();
  private lastGoroutine = OUTSIDE;
  /** The execution that is running or was the last to run. */
  protected current = new Execution(this.identity, OUTSIDE, true);
  /** When the last callback ended; undefined while one is running. */
  private idleSince: number | undefined;
  /** Whether code ran since then outside of callbacks: Node creates some resources there. */
  private isOutside = false;
  /** The execution before the current callback, if that is one of Node's own that has had no effect yet. */
  private interrupted: { readonly execution: Execution; readonly idleSince: number } | undefined;
  /** Executions of the outer callbacks, while callbacks are nested. */
  private readonly callers: Execution[] = [];
  private depth = 0;
  /** Executions that yielded to others since the event loop last continued. */
  private readonly yielded: Execution[] = [];

  /** @param limit maximum number of events kept until they are taken; when it is reached, recording ends */
  constructor(
    private readonly clock: TimelineWorld,
    limit: number,
  ) {
    this.buffer = new TraceBuffer(limit);
    const time = clock.now();
    const start = this.buffer.start('(event loop)');
    this.emit({ type: 'thread', time, thread: MAIN, id: clock.pid, name: 'main' });
    this.emit({ type: 'create', time, thread: MAIN, goroutine: OUTSIDE, start });
    this.emit({ type: 'run', time, thread: MAIN, goroutine: OUTSIDE });
  }

  /** The running execution. An undecided one is assigned to the event loop. */
  begun(): Execution {
    this.running();
    return this.outsideIfUndecided();
  }

  /**
   * Creates an execution.
   *
   * @param start id of the stack that will be defined as its start function
   */
  create(start: number, { isKept = false, task = 0, isNew = true } = {}): Execution {
    const execution = new Execution(this.identity, ++this.lastGoroutine, isKept, task);
    if (isNew) this.running();
    this.outsideIfUndecided(); // the running execution began before the new one
    this.emit({ type: 'create', ...this.at(execution), start, ...(!isNew && { waits: 'network' }) });
    return execution;
  }

  /** From here on, the running code belongs to another execution. */
  switchTo(execution: Execution): void {
    this.running();
    const time = this.clock.now();
    this.close(time);
    this.begin(execution, time);
  }

  /** From here on, the running code belongs to a new, undecided execution. */
  leave(): void {
    this.switchTo(this.unknown());
  }

  /** Runs work as another execution. */
  runAs<T>(execution: Execution, work: () => T): T {
    const caller = this.begun();
    if (caller === execution) return work();
    this.begin(execution, this.clock.now());
    try {
      return work();
    } finally {
      if (execution.hasEnded) this.begin(caller, this.clock.now());
      else if (this.current === execution) this.switchTo(caller);
    }
  }

  /** Ends an execution that is not running and has nothing left to run. */
  endIfOver(execution: Execution): void {
    if (execution === this.current || execution.hasEnded || !execution.isOver) return;
    this.emit({ type: 'end', ...this.at(execution) });
    this.end(execution);
  }

  /** Ends the running execution. */
  endCurrent(): void {
    const { current } = this;
    this.emit({ type: 'end', ...this.at(current) });
    this.end(current);
    this.begin(this.unknown(), this.clock.now());
  }

  /** The events since the last call. At their end, nothing is running. */
  take(): TraceEvent[] {
    const isRunning = this.idleSince === undefined && this.current.goroutine !== UNDECIDED;
    if (isRunning) this.emit({ type: 'preempt', ...this.at(this.current) });
    const events = this.buffer.take();
    if (isRunning) this.emit({ type: 'run', ...this.at(this.current) });
    return events;
  }

  /** Ends the recording. */
  stop(): void {
    const time = this.clock.now();
    this.close(this.idleSince ?? time);
    this.buffer.close({ time, thread: MAIN, goroutine: OUTSIDE });
  }

  at({ goroutine }: Execution): OfGoroutine {
    return { time: this.clock.now(), thread: MAIN, goroutine };
  }

  emit(event: TraceEvent): void {
    this.buffer.add(event);
  }

  /** @param isDrained the callback runs before the event loop continues */
  protected beginCallback(execution: Execution, isDrained: boolean, time: number): void {
    const isNested = this.depth++ > 0;
    if (isNested) this.callers.push(this.outsideIfUndecided());
    else this.goOn(execution, isDrained, time);
    if (execution !== this.current) this.begin(execution, time);
  }

  protected endCallback(): void {
    const time = this.clock.now();
    if (this.depth <= 1) {
      this.depth = 0;
      this.idleSince ??= time; // the callback began before the trace
      if (this.interrupted) this.resume(this.interrupted);
      return;
    }
    this.depth--;
    const outer = this.callers.pop()!;
    if (outer === this.current) return;
    this.close(time);
    this.begin(outer.hasEnded ? this.unknown() : outer, time);
  }

  /** Gives an execution its own goroutine, from its start on. */
  protected makeOwn(execution: Execution, fn: StartFunction): void {
    const goroutine = ++this.lastGoroutine;
    execution.goroutine = goroutine;
    const start = this.buffer.start(fn);
    this.emit({ type: 'create', time: execution.begin, thread: MAIN, goroutine, start });
    this.run(execution);
  }

  /** Replaces an execution by another one, from its start on. */
  protected replaceBy(execution: Execution, other: Execution): void {
    execution.became = other;
    this.begin(other, execution.begin);
  }

  /** A new, undecided execution. */
  protected unknown(inPlaceOf?: Execution): Execution {
    return new Execution(this.identity, UNDECIDED, false, 0, inPlaceOf);
  }

  protected isRunning(execution: Execution): boolean {
    return execution === this.current ? this.depth > 0 : !execution.isAsleep;
  }

  /** The running execution. Code outside of callbacks starts a new one. */
  protected running(): Execution {
    if (this.idleSince === undefined) return this.current;
    const time = this.clock.now();
    if (!this.isOutside) {
      this.close(this.idleSince);
      this.begin(this.unknown(), time);
      this.isOutside = true;
    }
    this.idleSince = time; // its end is not reported
    return this.current;
  }

  protected outsideIfUndecided(): Execution {
    const { current } = this;
    if (current.goroutine === UNDECIDED) {
      this.closeInterrupted();
      current.goroutine = OUTSIDE;
      this.run(current);
    }
    return current;
  }

  /** Called when Node's callback has an effect: then the interrupted execution has stopped running. */
  protected closeInterrupted(): void {
    const { interrupted, current } = this;
    if (!interrupted) return;
    this.interrupted = undefined;
    this.current = interrupted.execution;
    this.close(interrupted.idleSince);
    this.current = current;
  }

  protected end(execution: Execution): void {
    execution.hasEnded = true;
    for (const id of execution.waits.clear()) this.waiting.delete(id);
  }

  /** A callback begins after the last one has ended. */
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

  /** Node's callback had no effect: it is not shown, and ticks and promise jobs of the execution before may still run. */
  private resume({ execution, idleSince }: NonNullable<ThreadTimeline['interrupted']>): void {
    this.interrupted = undefined;
    this.current = execution;
    this.idleSince = idleSince;
  }

  /** The event loop has continued: executions that yielded and did not run are waiting. */
  private settleYielded(time: number): void {
    for (const execution of this.yielded.splice(0)) {
      if (execution.hasEnded || !execution.isYielding) continue;
      execution.isReady = false;
      const of = { time, thread: MAIN, goroutine: execution.goroutine };
      this.emit({ type: 'run', ...of });
      this.sleep(execution, of);
    }
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

  /** The execution stops running: it waits from now on, or ends. */
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
    // An execution that continues in the same turn of the event loop has not waited.
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
}
