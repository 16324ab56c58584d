import type { TakePiece, TraceFrame, TraceStack, WaitCause } from './events.js';
import { GoBatches } from './go-batches.js';
import type { Collection, Execution, Region, Task, Thread, TraceFormat } from './trace-format.js';

/** Numbers of Go's events, of those that are written. */
const FREQUENCY = 2;
const PROCS = 4;
const PROC_START = 5;
const PROC_STOP = 6;
const GC_START = 7;
const GC_DONE = 8;
const WORLD_STOPS = 9;
const WORLD_GOES_ON = 10;
const GO_CREATE = 13;
const GO_START = 14;
const GO_END = 15;
const GO_PREEMPT = 18;
const GO_UNBLOCK = 21;
const SYSCALL = 28;
const SYSCALL_EXIT = 29;
const SYSCALL_BLOCKS = 30;
const HEAP_ALLOC = 33;
const HEAP_GOAL = 34;
const TASK_CREATE = 45;
const TASK_END = 46;
const REGION = 47;
const CPU_SAMPLE = 49;

/** Modes of a region. */
const BEGINS = 0;
const ENDS = 1;

/** Four for each ns: the first is for what happens, the others for what must not be in between of what belongs together. */
const TICKS_PER_NS = 4;
const SAMPLE_TICK = 1;
const PAUSE_TICK = 2;
const RESUME_TICK = 3;

/** How Go tells a wait, and who ended it if no execution did. Files are Go's system calls, and have a way of their own. */
const WAITS: Readonly<Record<Exclude<WaitCause, 'file'>, { readonly type: number; readonly waker: string }>> =
  {
    network: { type: 27, waker: '(network)' },
    timer: { type: 19, waker: '(timer)' },
    promise: { type: 25, waker: '(promise)' },
    unknown: { type: 20, waker: '(unknown)' },
  };

/** Why a collection stops the world: Go has two words for it. */
const WHY_STOPPED: Readonly<Record<string, number>> = { 'mark-compact': 0 };
const SWEEP = 1;

/**
 * A trace as Go's own runtime writes it, for `go tool trace`: threads are its Ps, executions its goroutines.
 *
 * Go's readers want more than the format says: a frame for each goroutine's function, stacks for waits and their ends
 * (from Go 1.22 on a wait is told only if both have one) and for regions (Go 1.19 shows none if one has no stack).
 */
export class GoFormat implements TraceFormat {
  private readonly batches: GoBatches;
  private readonly startStacks = new Map<TraceFrame, TraceStack>();
  private readonly wakerStacks = new Map<TraceFrame, Partial<Record<WaitCause, TraceStack>>>();
  /** Threads with a P that is started. */
  private readonly started = new Set<Thread>();
  private readonly threads: Thread[] = [];
  /** Of regions that are open. */
  private readonly nameOf = new Map<Region, number>();
  /** What waits in a system call. */
  private readonly calling = new Set<Execution>();
  /** What ran when a piece was handed out, until something happens. */
  private readonly paused = new Map<Thread, Execution>();
  private last = 0;
  private collections = 0;
  private isCollecting = false;
  private stopped: Execution | undefined;

  constructor(take: TakePiece) {
    this.batches = new GoBatches(take);
    this.batches.fact(FREQUENCY, 1e9 * TICKS_PER_NS);
  }

  row(at: number, thread: Thread): void {
    this.threads.push(thread);
    // Readers keep a table of so many Ps.
    this.batches.event(PROCS, this.threads[0]!.index, this.tick(at), this.threads.length, 0);
    this.startThread(at, thread);
  }

  /** Go has no names of threads. */
  name(): void {}

  create(at: number, execution: Execution, by: Execution | undefined): void {
    execution.turns = 1;
    const creator = by ? this.stackOf(by) : 0;
    const place = this.placeOf(execution, by);
    this.batches.event(GO_CREATE, place, this.tick(at), execution.number, this.stackOf(execution), creator);
    this.settle();
  }

  start(at: number, execution: Execution, thread: Thread): void {
    this.startThread(at, thread);
    this.goStart(at, execution, thread);
    if (this.calling.delete(execution)) {
      // Newer readers see that a call is over only by the next stack.
      this.batches.event(GO_PREEMPT, thread.index, this.tick(at), this.stackOf(execution));
      this.goStart(at, execution, thread);
    }
    this.settle();
  }

  stop(at: number, execution: Execution, thread: Thread): void {
    this.worldGoesOn(at, execution);
    this.batches.event(GO_PREEMPT, thread.index, this.tick(at), this.stackOf(execution));
    this.settle();
  }

  block(at: number, execution: Execution, thread: Thread): void {
    this.worldGoesOn(at, execution);
    const stack = this.stackOf(execution, execution.stack);
    const { cause } = execution;
    if (cause === 'file') {
      // As in Go, the call leaves its P behind, and that stops.
      this.batches.event(SYSCALL, thread.index, this.tick(at), stack);
      this.batches.event(SYSCALL_BLOCKS, thread.index, this.tick(at));
      this.stopThread(at, thread);
      this.calling.add(execution);
    } else {
      this.batches.event(WAITS[cause].type, thread.index, this.tick(at), stack);
    }
    this.settle();
  }

  wake(at: number, execution: Execution, by: Execution | undefined): void {
    const { cause, number } = execution;
    const turns = execution.turns++;
    const place = this.placeOf(execution, by);
    if (cause === 'file') {
      this.batches.event(SYSCALL_EXIT, place, this.tick(at), number, turns, 0);
    } else {
      const stack = by ? this.startStack(by) : this.wakerStack(execution, WAITS[cause].waker);
      this.batches.event(GO_UNBLOCK, place, this.tick(at), number, turns, this.batches.stack(stack));
    }
    this.settle();
  }

  end(at: number, execution: Execution, thread: Thread): void {
    this.worldGoesOn(at, execution);
    this.batches.event(GO_END, thread.index, this.tick(at));
    this.settle();
  }

  collectionBegin(at: number, { thread, kind }: Collection): void {
    this.isCollecting = true;
    this.batches.event(GC_START, thread.index, this.tick(at), this.collections++, 0);
    // Newer readers ask whom it stopped.
    if (thread.running) {
      this.stopped = thread.running;
      this.batches.event(WORLD_STOPS, thread.index, this.tick(at), WHY_STOPPED[kind] ?? SWEEP);
    }
    this.settle();
  }

  collectionEnd(at: number, { thread }: Collection): void {
    if (this.stopped) this.worldGoesOn(at, this.stopped);
    this.batches.event(GC_DONE, thread.index, this.tick(at));
    this.isCollecting = false;
    this.settle();
  }

  heap(at: number, used: number, goal: number | undefined): void {
    this.batches.event(HEAP_ALLOC, this.threads[0]!.index, this.tick(at), used);
    if (goal !== undefined) this.batches.event(HEAP_GOAL, this.threads[0]!.index, this.tick(at), goal);
    this.settle();
  }

  taskBegin(at: number, by: Execution, task: Task, stack: TraceStack | undefined): void {
    const { batches } = this;
    const name = batches.string(task.name);
    const parent = task.parent?.number ?? 0;
    batches.event(
      TASK_CREATE,
      indexOf(by),
      this.tick(at),
      task.number,
      parent,
      name,
      this.stackOf(by, stack),
    );
    this.settle();
  }

  taskEnd(at: number, by: Execution, task: Task, stack: TraceStack | undefined): void {
    this.batches.event(TASK_END, indexOf(by), this.tick(at), task.number, this.stackOf(by, stack));
    this.settle();
  }

  regionBegin(at: number, by: Execution, region: Region, stack: TraceStack | undefined): void {
    const name = this.batches.string(region.name);
    this.nameOf.set(region, name);
    this.region(at, by, region, [BEGINS, name, this.stackOf(by, stack)]);
  }

  /** By the number that its name had: another one for the same name is another name to readers. */
  regionEnd(at: number, by: Execution, region: Region, stack: TraceStack | undefined): void {
    const name = this.nameOf.get(region)!;
    this.nameOf.delete(region);
    this.region(at, by, region, [ENDS, name, this.stackOf(by, stack)]);
  }

  log(
    at: number,
    by: Execution,
    task: Task | undefined,
    key: string,
    text: string,
    stack: TraceStack | undefined,
  ): void {
    const { batches } = this;
    batches.logEvent(
      indexOf(by),
      this.tick(at),
      task?.number ?? 0,
      batches.string(key),
      this.stackOf(by, stack),
      text,
    );
    this.settle();
  }

  sample(at: number, thread: Thread, execution: Execution | undefined, stack: TraceStack): void {
    const ran = execution?.number ?? 0;
    this.batches.untimed(
      CPU_SAMPLE,
      at * TICKS_PER_NS + SAMPLE_TICK,
      thread.index,
      ran,
      this.batches.stack(stack),
    );
    this.settle();
  }

  /** Go 1.19 cannot draw what runs, and a collection, without an end: a piece has neither, since it may be the last. */
  flush(): void {
    if (this.isCollecting || this.batches.isEmpty) return;
    for (const thread of this.started) if (thread.running) this.pause(thread, thread.running);
    this.batches.flush();
  }

  *finish(at: number): Generator<void, void> {
    for (const thread of this.threads) this.stopThread(at, thread);
    yield;
    this.batches.flush();
  }

  /** The tick of what happens, before which all goes on that was paused, as if it had not been. */
  private tick(at: number): number {
    const resumed = this.last + RESUME_TICK;
    for (const [{ index }, execution] of this.paused) {
      this.batches.event(GO_START, index, resumed, execution.number, execution.turns++);
    }
    this.paused.clear();
    return (this.last = at * TICKS_PER_NS);
  }

  private pause(thread: Thread, execution: Execution): void {
    if (this.paused.has(thread)) return;
    this.batches.event(GO_PREEMPT, thread.index, this.last + PAUSE_TICK, this.stackOf(execution));
    this.paused.set(thread, execution);
  }

  /** Only where what is written is a whole trace. */
  private settle(): void {
    if (this.batches.isFull) this.flush();
  }

  private goStart(at: number, execution: Execution, thread: Thread): void {
    this.batches.event(GO_START, thread.index, this.tick(at), execution.number, execution.turns++);
  }

  private startThread(at: number, thread: Thread): void {
    if (this.started.has(thread)) return;
    this.started.add(thread);
    this.batches.event(PROC_START, thread.index, this.tick(at), thread.id);
  }

  private stopThread(at: number, thread: Thread): void {
    if (this.started.delete(thread)) this.batches.event(PROC_STOP, thread.index, this.tick(at));
  }

  private worldGoesOn(at: number, execution: Execution): void {
    if (this.stopped !== execution) return;
    this.stopped = undefined;
    this.batches.event(WORLD_GOES_ON, indexOf(execution), this.tick(at));
  }

  private region(at: number, by: Execution, { task }: Region, rest: readonly number[]): void {
    this.batches.event(REGION, indexOf(by), this.tick(at), task?.number ?? 0, ...rest);
    this.settle();
  }

  /** Who does something to an execution does it where he runs; otherwise it is done where nothing runs. */
  private placeOf(execution: Execution, by: Execution | undefined): number | undefined {
    if (by) return indexOf(by);
    const { thread } = execution;
    return thread && !thread.running ? thread.index : undefined;
  }

  /** A stack's number. Where it is not known, it is where the execution starts. */
  private stackOf(execution: Execution, stack?: TraceStack): number {
    return this.batches.stack(stack?.length ? stack : this.startStack(execution));
  }

  private startStack({ start }: Execution): TraceStack {
    return remembered(this.startStacks, start, () => [start]);
  }

  /** Whom it was that waited, and that the network woke it. */
  private wakerStack({ start, cause }: Execution, waker: string): TraceStack {
    const stacks = remembered<Partial<Record<WaitCause, TraceStack>>>(this.wakerStacks, start, () => ({}));
    return (stacks[cause] ??= [{ functionName: waker, file: '', line: 0 }, start]);
  }
}

/** Of frames of functions that executions start in. */
const REMEMBERED = 4096;

function remembered<T>(map: Map<TraceFrame, T>, frame: TraceFrame, make: () => T): T {
  let value = map.get(frame);
  if (value === undefined) {
    if (map.size >= REMEMBERED) map.clear();
    value = make();
    map.set(frame, value);
  }
  return value;
}

/** Of the thread on which it runs. */
function indexOf(execution: Execution): number {
  return execution.thread!.index;
}
