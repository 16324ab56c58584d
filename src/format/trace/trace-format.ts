import type { TraceFrame, TraceStack, WaitCause } from './events.js';

/** Whose trace it is. */
export interface TracedProcess {
  readonly pid: number;
  readonly name: string;
  /** The operating system's number of its main thread. */
  readonly mainThread: number;
}

/** A thread on which JavaScript runs. */
export interface Thread {
  /** The operating system's number. */
  readonly id: number;
  /** From 0 on, in the order in which they were told of. */
  readonly index: number;
  running: Execution | undefined;
}

export interface Execution {
  /** From 1 on; none is used twice. */
  readonly number: number;
  readonly name: string;
  readonly start: TraceFrame;
  readonly createdAt: number;
  state: 'runnable' | 'running' | 'waiting';
  /** Where it runs, or ran last. */
  thread: Thread | undefined;
  /** What it waits for, and where it began to. */
  cause: WaitCause;
  stack: TraceStack | undefined;
  /** How often it was created, started and woken, as its format counts. */
  turns: number;
  /** Outermost first. */
  readonly regions: Region[];
}

export interface Region {
  readonly id: number;
  readonly name: string;
  readonly task: Task | undefined;
}

export interface Task {
  /** From 1 on; none is used twice. */
  readonly number: number;
  readonly name: string;
  readonly parent: Task | undefined;
}

export interface Collection {
  readonly thread: Thread;
  readonly kind: string;
  /** When it began. */
  readonly at: number;
}

/**
 * What a consistent trace is written with. Each call has a time of its own, later than that of the call before; and
 * what is said can be: only what runs stops, only what waits is woken, a thread runs one execution, regions nest.
 */
export interface TraceFormat {
  /** A thread has a row of its own. */
  row(at: number, thread: Thread): void;
  /** A thread has a name, whether it has a row or not. */
  name(at: number, thread: number, name: string): void;
  /** `by`, if known, runs. */
  create(at: number, execution: Execution, by: Execution | undefined): void;
  start(at: number, execution: Execution, thread: Thread): void;
  /** It can go on. */
  stop(at: number, execution: Execution, thread: Thread): void;
  /** It waits, for what it says itself. */
  block(at: number, execution: Execution, thread: Thread): void;
  /** What it waited for is there. `by`, if known, runs. */
  wake(at: number, execution: Execution, by: Execution | undefined): void;
  end(at: number, execution: Execution, thread: Thread): void;
  /** One at a time. */
  collectionBegin(at: number, collection: Collection): void;
  collectionEnd(at: number, collection: Collection): void;
  /** Bytes of all heaps. */
  heap(at: number, used: number, goal: number | undefined): void;
  /** This and what follows is said by an execution that runs. */
  taskBegin(at: number, execution: Execution, task: Task, stack: TraceStack | undefined): void;
  taskEnd(at: number, execution: Execution, task: Task, stack: TraceStack | undefined): void;
  regionBegin(at: number, execution: Execution, region: Region, stack: TraceStack | undefined): void;
  /** Of the innermost one. */
  regionEnd(at: number, execution: Execution, region: Region, stack: TraceStack | undefined): void;
  log(
    at: number,
    execution: Execution,
    task: Task | undefined,
    key: string,
    text: string,
    stack: TraceStack | undefined,
  ): void;
  /** At any time, and in any order. `execution`, if known, was there. */
  sample(at: number, thread: Thread, execution: Execution | undefined, stack: TraceStack): void;
  /** Hands out what is written. */
  flush(): void;
  /** Nothing runs, and nothing comes any more. These are still there. Yields now and then. */
  finish(at: number, executions: Iterable<Execution>, tasks: Iterable<Task>): Generator<void, void>;
}
