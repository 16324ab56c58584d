import type { TraceEvent } from '../../format/trace-event.js';
import { Execution, FROM_OUTSIDE, OUTSIDE, UNDECIDED } from './execution.js';
import { type StartFunction, TraceBuffer } from './trace-buffer.js';

/** The main thread. */
export const MAIN = 0;

/** What a timeline asks, and tests replace. */
export interface TimelineWorld {
  /** Of the process. */
  readonly pid: number;
  /** In ns, whole. */
  now(): number;
}

/** Where and for whom an event is. */
interface OfGoroutine {
  readonly time: number;
  readonly thread: number;
  readonly goroutine: number;
}

/**
 * Which execution runs when on the main thread, as events of a trace: by callbacks that begin and end, also within one another.
 * It is not decided of each at once whether it gets a goroutine of its own, so its events come when it is, with the time of its begin.
 */
export class ThreadTimeline {
  readonly buffer: TraceBuffer;
  /** What tags hold of the timeline: some live on after it. */
  protected readonly identity = {};
  /** Executions by the promises that they wait for. */
  protected readonly waiting = new Map<number, Execution>();
  private lastGoroutine = OUTSIDE;
  /** What runs, or ran last. */
  protected current = new Execution(this.identity, OUTSIDE, true);
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

  /** @param limit of events that are kept until they are taken; past it, recording ends */
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

  /** What runs now. */
  begun(): Execution {
    this.running();
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
    const time = this.clock.now();
    this.close(time);
    this.begin(execution, time);
  }

  /** What executes from here on is for an execution that is not known yet. */
  leave(): void {
    this.switchTo(this.unknown());
  }

  /** Does work as another execution. */
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
    this.begin(this.unknown(), this.clock.now());
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

  /** @param isDrained it comes before the event loop goes on */
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
      this.idleSince ??= time; // of a callback that began before the trace
      if (this.interrupted) this.resume(this.interrupted);
      return;
    }
    this.depth--;
    const outer = this.callers.pop()!;
    if (outer === this.current) return;
    this.close(time);
    this.begin(outer.hasEnded ? this.unknown() : outer, time);
  }

  /** It has a goroutine of its own, from its begin on. */
  protected makeOwn(execution: Execution, fn: StartFunction): void {
    const goroutine = ++this.lastGoroutine;
    execution.goroutine = goroutine;
    const start = this.buffer.start(fn);
    this.emit({ type: 'create', time: execution.begin, thread: MAIN, goroutine, start });
    this.run(execution);
  }

  /** Another one goes on in its place, from its begin on. */
  protected replaceBy(execution: Execution, other: Execution): void {
    execution.became = other;
    this.begin(other, execution.begin);
  }

  /** An execution of which nothing is decided. */
  protected unknown(inPlaceOf?: Execution): Execution {
    return new Execution(this.identity, UNDECIDED, false, 0, inPlaceOf);
  }

  protected isRunning(execution: Execution): boolean {
    return execution === this.current ? this.depth > 0 : !execution.isAsleep;
  }

  /** What runs now. Code outside of callbacks begins an execution. */
  protected running(): Execution {
    if (this.idleSince === undefined) return this.current;
    const time = this.clock.now();
    if (!this.isOutside) {
      this.close(this.idleSince);
      this.begin(this.unknown(), time);
      this.isOutside = true;
    }
    this.idleSince = time; // nobody tells when it ends
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

  /** It has done something: what ran before has stopped running then. */
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
  private resume({ execution, idleSince }: NonNullable<ThreadTimeline['interrupted']>): void {
    this.interrupted = undefined;
    this.current = execution;
    this.idleSince = idleSince;
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
}
