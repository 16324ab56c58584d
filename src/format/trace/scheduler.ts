import {
  type CollectionEvent,
  type ExecutionEvent,
  OUTSIDE,
  type RegionBeginEvent,
  type RegionEndEvent,
  type SampleEvent,
  type TaskBeginEvent,
  type TraceEvent,
  type TraceFrame,
  type TraceStack,
  type WaitCause,
  type WaitEvent,
} from './events.js';
import type { Collection, Execution, Task, Thread, TraceFormat } from './trace-format.js';

/** The end of a collection, which happens at a time of its own. */
export interface CollectedEvent {
  readonly type: 'collected';
  readonly at: number;
  readonly of: CollectionEvent;
}

/** Executions and tasks that are there at once; more are left out. */
const MOST = 65_536;
/** Regions within each other. */
const DEEPEST = 1000;
/** Executions whose end is remembered, for what comes late; and names without a place. */
const REMEMBERED = 16_384;
/** Later than that is no time. */
const LATEST = 2 ** 51;

/**
 * Makes of plain events what can be: each is told to the format as far as it fits to what was told before. What is
 * missing in between is supplied, what contradicts is left out, and no two things happen at the same time.
 */
export class Scheduler {
  private readonly threads = new Map<number, Thread>();
  private readonly executions = new Map<number, Execution>();
  private readonly ended = new Set<number>();
  private readonly tasks = new Map<number, Task>();
  private readonly heaps = new Map<Thread, { used: number; goal: number }>();
  private readonly frames = new Map<string, TraceFrame>();
  private created = 0;
  private begunTasks = 0;
  private collecting: { readonly event: CollectionEvent; readonly collection: Collection } | undefined;
  private now = 0;
  private isCut = false;

  /** @param mainThread what executes that never told where they run, the operating system's number */
  constructor(
    private readonly format: TraceFormat,
    private readonly mainThread: number,
  ) {
    this.thread(mainThread, 0);
  }

  take(event: TraceEvent | CollectedEvent): void {
    if (this.isCut) return;
    const { at } = event;
    switch (event.type) {
      case 'thread':
        this.format.name(this.tick(at), event.thread, event.name);
        if (event.runs) this.thread(event.thread, at);
        return;
      case 'execution':
        return this.begin(event);
      case 'run':
        return this.run(event.execution, this.thread(event.thread, at), at);
      case 'idle':
        return this.idle(this.thread(event.thread, at), at);
      case 'wait':
        return this.wait(event);
      case 'wake':
        return this.wakeBy(event.execution, event.by, at);
      case 'end':
        return this.endOf(event.execution, at);
      case 'collection':
        return this.collect(event);
      case 'collected':
        return this.collected(event.of, at);
      case 'heap':
        return this.heap(this.thread(event.thread, at), at, event.used, event.goal);
      case 'task-begin':
        return this.beginTask(event);
      case 'task-end':
        return this.endTask(event.task, event.execution, at, event.stack);
      case 'region-begin':
        return this.beginRegion(event);
      case 'region-end':
        return this.endRegion(event);
      case 'log':
        return this.log(event.execution, at, event.task, event.key, event.text, event.stack);
      case 'sample':
        return this.sample(event);
      case 'cut':
        this.log(OUTSIDE, at, undefined, 'trace', event.why);
        this.isCut = true;
    }
  }

  /** Ends the trace: what runs stops, what is open is told to the format. Yields now and then. */
  *finish(at: number): Generator<void, void> {
    // Newer readers say that a trace in which nobody runs is broken.
    if (this.created === 0) this.run(OUTSIDE, this.thread(this.mainThread, at), at);
    if (this.collecting) this.collected(this.collecting.event, at);
    for (const thread of this.threads.values()) this.vacate(thread, at);
    yield* this.format.finish(this.tick(at), this.executions.values(), this.tasks.values());
  }

  private tick(at: number): number {
    const whole = Math.floor(at);
    this.now = whole > this.now && whole < LATEST ? whole : this.now + 1;
    return this.now;
  }

  private thread(id: number, at: number): Thread {
    let thread = this.threads.get(id);
    if (thread === undefined) {
      thread = { id, index: this.threads.size, running: undefined };
      this.threads.set(id, thread);
      this.format.row(this.tick(at), thread);
    }
    return thread;
  }

  /** One that was not told of is there from now on. Undefined if it is over. */
  private execution(id: number, at: number): Execution | undefined {
    return (
      this.executions.get(id) ?? this.create(at, id, id === OUTSIDE ? '(event loop)' : `(execution ${id})`)
    );
  }

  private create(
    at: number,
    id: number,
    name: string,
    start = this.frameOf(name),
    by?: number,
  ): Execution | undefined {
    if (this.ended.has(id) || this.executions.has(id) || (this.executions.size >= MOST && id !== OUTSIDE))
      return undefined;
    const creator = by === undefined ? undefined : this.executions.get(by);
    const execution: Execution = {
      number: ++this.created,
      name,
      start,
      createdAt: this.tick(at),
      state: 'runnable',
      thread: creator?.thread,
      cause: 'unknown',
      stack: undefined,
      turns: 0,
      regions: [],
    };
    this.executions.set(id, execution);
    this.format.create(execution.createdAt, execution, creator?.state === 'running' ? creator : undefined);
    return execution;
  }

  /** What stands for a function that is not known. */
  private frameOf(name: string): TraceFrame {
    let frame = this.frames.get(name);
    if (frame === undefined) {
      if (this.frames.size >= REMEMBERED) this.frames.clear();
      frame = { functionName: name, file: '', line: 0 };
      this.frames.set(name, frame);
    }
    return frame;
  }

  private begin({ at, execution: id, name, start, by, already }: ExecutionEvent): void {
    const execution = this.create(at, id, name, start, by);
    if (execution && already) this.during(execution, at, () => this.block(execution, at, already));
  }

  private run(id: number, thread: Thread, at: number): void {
    const execution = this.execution(id, at);
    if (execution && thread.running !== execution) this.start(execution, thread, at);
  }

  private start(execution: Execution, thread: Thread, at: number): void {
    this.vacate(thread, at);
    if (execution.state === 'running') this.vacate(execution.thread!, at);
    if (execution.state === 'waiting') this.wake(execution, at);
    execution.state = 'running';
    execution.thread = thread;
    thread.running = execution;
    this.format.start(this.tick(at), execution, thread);
  }

  /** What runs on a thread stops, and can go on. */
  private vacate(thread: Thread, at: number): void {
    const { running } = thread;
    if (running === undefined) return;
    this.leave(running, thread, 'runnable');
    this.format.stop(this.tick(at), running, thread);
  }

  private leave(execution: Execution, thread: Thread, state: 'runnable' | 'waiting'): void {
    execution.state = state;
    thread.running = undefined;
  }

  private block(execution: Execution, at: number, cause: WaitCause, stack?: TraceStack): void {
    const thread = execution.thread!;
    execution.cause = cause;
    execution.stack = stack;
    this.leave(execution, thread, 'waiting');
    this.format.block(this.tick(at), execution, thread);
  }

  private wake(execution: Execution, at: number, by?: Execution): void {
    execution.state = 'runnable';
    this.format.wake(this.tick(at), execution, by);
  }

  /**
   * Does what only an execution that runs can do. If it does not, it runs for that moment, and then everything is as it
   * was before.
   */
  private during(execution: Execution, at: number, act: () => void): void {
    if (execution.state === 'running') return act();
    const { state, cause, stack } = execution;
    const thread = execution.thread ?? this.thread(this.mainThread, at);
    const former = thread.running;
    this.start(execution, thread, at);
    act();
    if (thread.running === execution && state === 'waiting') this.block(execution, at, cause, stack);
    this.vacate(thread, at);
    if (former) this.start(former, thread, at);
  }

  private idle(thread: Thread, at: number): void {
    if (thread.running) this.block(thread.running, at, 'unknown');
  }

  /** One that waits already may only now tell what for, or it ran in between. */
  private wait({ execution: id, at, cause, stack }: WaitEvent): void {
    const execution = this.execution(id, at);
    if (execution === undefined) return;
    const isKnown = execution.state === 'waiting' && (cause === 'unknown' || cause === execution.cause);
    if (!isKnown) this.during(execution, at, () => this.block(execution, at, cause, stack));
  }

  private wakeBy(id: number, by: number | undefined, at: number): void {
    const execution = this.executions.get(id);
    if (execution?.state !== 'waiting') return;
    const other = by === undefined ? undefined : this.executions.get(by);
    this.wake(execution, at, other?.state === 'running' ? other : undefined);
  }

  private endOf(id: number, at: number): void {
    const execution = this.executions.get(id);
    if (execution === undefined || id === OUTSIDE) return;
    this.during(execution, at, () => {
      this.closeRegions(execution, 0, at);
      const thread = execution.thread!;
      thread.running = undefined;
      this.format.end(this.tick(at), execution, thread);
    });
    this.executions.delete(id);
    this.ended.add(id);
    if (this.ended.size > REMEMBERED) this.ended.delete(this.ended.values().next().value!);
  }

  /** Threads collect at the same time, but only one collection is told at a time. */
  private collect(event: CollectionEvent): void {
    const thread = this.thread(event.thread, event.at);
    if (event.before !== undefined) this.heap(thread, event.at, event.before);
    if (this.collecting) return;
    const collection = { thread, kind: event.kind, at: this.tick(event.at) };
    this.collecting = { event, collection };
    this.format.collectionBegin(collection.at, collection);
  }

  private collected(event: CollectionEvent, at: number): void {
    if (this.collecting?.event === event) {
      this.format.collectionEnd(this.tick(at), this.collecting.collection);
      this.collecting = undefined;
    }
    if (event.after !== undefined) this.heap(this.thread(event.thread, at), at, event.after);
  }

  private heap(thread: Thread, at: number, used: number, goal = this.heaps.get(thread)?.goal ?? 0): void {
    this.heaps.set(thread, { used, goal });
    let allUsed = 0;
    let allGoals = 0;
    for (const heap of this.heaps.values()) {
      allUsed += heap.used;
      allGoals += heap.goal;
    }
    this.format.heap(this.tick(at), allUsed, allGoals || undefined);
  }

  /** Who says something: if it is over, what is outside of all does. */
  private speaker(id: number, at: number): Execution {
    return this.execution(id, at) ?? this.execution(OUTSIDE, at)!;
  }

  private beginTask({ task: id, execution: by, at, name, parent, stack }: TaskBeginEvent): void {
    if (this.tasks.has(id) || this.tasks.size >= MOST) return;
    const task = {
      number: ++this.begunTasks,
      name,
      parent: parent === undefined ? undefined : this.tasks.get(parent),
    };
    this.tasks.set(id, task);
    const speaker = this.speaker(by, at);
    this.during(speaker, at, () => this.format.taskBegin(this.tick(at), speaker, task, stack));
  }

  private endTask(id: number, by: number, at: number, stack?: TraceStack): void {
    const task = this.tasks.get(id);
    if (task === undefined) return;
    this.tasks.delete(id);
    const speaker = this.speaker(by, at);
    this.during(speaker, at, () => this.format.taskEnd(this.tick(at), speaker, task, stack));
  }

  private beginRegion({ region: id, execution: of, at, name, task, stack }: RegionBeginEvent): void {
    const execution = this.execution(of, at);
    if (execution === undefined || execution.regions.length >= DEEPEST || depthOf(id, execution) >= 0) return;
    const region = { id, name, task: task === undefined ? undefined : this.tasks.get(task) };
    this.during(execution, at, () => {
      execution.regions.push(region);
      this.format.regionBegin(this.tick(at), execution, region, stack);
    });
  }

  private endRegion({ region: id, execution: of, at, stack }: RegionEndEvent): void {
    const execution = this.executions.get(of);
    if (execution === undefined) return;
    const depth = depthOf(id, execution);
    if (depth >= 0) this.during(execution, at, () => this.closeRegions(execution, depth, at, stack));
  }

  /** Those within it end with it. */
  private closeRegions(execution: Execution, depth: number, at: number, stack?: TraceStack): void {
    while (execution.regions.length > depth) {
      const region = execution.regions.pop()!;
      this.format.regionEnd(this.tick(at), execution, region, stack);
    }
  }

  /** It tells nothing without a stack. One that does not come late is of what runs. */
  private sample({ at, thread: id, execution, stack }: SampleEvent): void {
    if (stack.length === 0) return;
    const time = at >= 0 && at < LATEST ? Math.floor(at) : 0;
    const thread = this.thread(id, at);
    const told = execution === undefined ? undefined : this.executions.get(execution);
    const ran = told ?? (time >= this.now ? thread.running : undefined);
    this.format.sample(time, thread, ran && ran.createdAt <= time ? ran : undefined, stack);
  }

  private log(
    by: number,
    at: number,
    of: number | undefined,
    key: string,
    text: string,
    stack?: TraceStack,
  ): void {
    const speaker = this.speaker(by, at);
    const task = of === undefined ? undefined : this.tasks.get(of);
    this.during(speaker, at, () => this.format.log(this.tick(at), speaker, task, key, text, stack));
  }
}

/** How many regions are around it; below 0 if it is not open. */
function depthOf(region: number, { regions }: Execution): number {
  return regions.findLastIndex(({ id }) => id === region);
}
