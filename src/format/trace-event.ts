/** What an execution waits for. `yield`: nothing, it lets others run first. */
export type WaitCause = 'network' | 'timer' | 'promise' | 'select' | 'syscall' | 'yield';

/** A frame of a stack in a trace. */
export interface TraceFrame {
  /** The same for the same frame, and for no other one. */
  readonly address: number;
  readonly name: string;
  /** Empty for a built-in function. */
  readonly filename: string;
  /** From 1; 0 where unknown. */
  readonly line: number;
}

interface At {
  /** Nanoseconds by a clock that never goes back; whole. Rises within a thread, but for collections, heap sizes and samples, which may come late. */
  readonly time: number;
}

interface OnThread extends At {
  /** Number of the thread in the trace, from 0, which is the main thread. */
  readonly thread: number;
}

interface OfGoroutine extends OnThread {
  /** From 1. An execution, in Go's word. 1 is all that belongs to no other one. */
  readonly goroutine: number;
}

/**
 * An event of an execution trace, as plain data. Ids of tasks, regions, names and stacks are positive integers, below 2^31 and given once; 0
 * is "none". A name or a stack may be defined after the events that refer to it, but a trace that is cut off has only those before.
 */
export type TraceEvent =
  /** A thread of the process, from here on. `id` is the system's or Node's. */
  | ({ readonly type: 'thread'; readonly id: number; readonly name: string } & OnThread)
  | ({ readonly type: 'thread-end' } & OnThread)
  /** An execution begins: runnable, or waiting where it did so before the trace. Its start function is the outermost frame of a stack. */
  | ({ readonly type: 'create'; readonly start: number; readonly waits?: WaitCause } & OfGoroutine)
  /** It runs from here on. */
  | ({ readonly type: 'run' } & OfGoroutine)
  /** It stops running and waits, from a stack on. */
  | ({ readonly type: 'wait'; readonly cause: WaitCause; readonly stack: number } & OfGoroutine)
  /** It stops running for another one on its thread. */
  | ({ readonly type: 'preempt' } & OfGoroutine)
  /** What it waits for has come: from what runs on the thread, or from outside if nothing does. */
  | ({ readonly type: 'wake' } & OfGoroutine)
  | ({ readonly type: 'end' } & OfGoroutine)
  /** A garbage collection; `time` is its begin. Bytes of the heap in use, where known. */
  | ({
      readonly type: 'collection';
      readonly end: number;
      readonly kind: string;
      readonly before?: number;
      readonly after?: number;
    } & At)
  /** `name` is the id of a name. */
  | ({
      readonly type: 'task';
      readonly task: number;
      readonly parent: number;
      readonly name: number;
    } & OfGoroutine)
  | ({ readonly type: 'task-end'; readonly task: number } & OfGoroutine)
  | ({
      readonly type: 'region';
      readonly region: number;
      readonly task: number;
      readonly name: string;
    } & OfGoroutine)
  | ({ readonly type: 'region-end'; readonly region: number } & OfGoroutine)
  | ({
      readonly type: 'log';
      readonly task: number;
      readonly key: string;
      readonly value: string;
    } & OfGoroutine)
  /** A CPU sample. `goroutine` is what ran then; 0 if that is not known. */
  | ({ readonly type: 'sample'; readonly stack: number } & OfGoroutine)
  | { readonly type: 'name'; readonly id: number; readonly text: string }
  /** Innermost frame first. */
  | { readonly type: 'stack'; readonly id: number; readonly frames: readonly TraceFrame[] };
