/** What an execution waits for. `yield`: nothing, but others run first. */
export type WaitCause = 'network' | 'timer' | 'promise' | 'select' | 'syscall' | 'yield';

/** A frame of a stack in a trace. */
export interface TraceFrame {
  /** Unique for each frame. */
  readonly address: number;
  readonly name: string;
  /** Empty for a built-in function. */
  readonly filename: string;
  /** One-based; 0 if unknown. */
  readonly line: number;
}

interface At {
  /** Whole nanoseconds of a monotonic clock. Ascending within a thread, except for collections, heap sizes and samples, which may be late. */
  readonly time: number;
}

interface OnThread extends At {
  /** Number of the thread in the trace; 0 is the main thread. */
  readonly thread: number;
}

interface OfGoroutine extends OnThread {
  /** Number of an execution, from 1. 1 is everything that belongs to no other execution. */
  readonly goroutine: number;
}

/**
 * An event of an execution trace, as plain data. Ids of tasks, regions, names and stacks are unique positive integers below 2^31; 0
 * means none. A name or a stack may be defined after the events that refer to it; in a truncated trace, later definitions are missing.
 */
export type TraceEvent =
  /** A thread of the process starts. `id` is the system's or Node's. */
  | ({ readonly type: 'thread'; readonly id: number; readonly name: string } & OnThread)
  | ({ readonly type: 'thread-end' } & OnThread)
  /** An execution starts: runnable, or waiting if it waited before the trace. Its start function is the outermost frame of a stack. */
  | ({ readonly type: 'create'; readonly start: number; readonly waits?: WaitCause } & OfGoroutine)
  /** It starts to run. */
  | ({ readonly type: 'run' } & OfGoroutine)
  /** It stops running and waits, at a stack. */
  | ({ readonly type: 'wait'; readonly cause: WaitCause; readonly stack: number } & OfGoroutine)
  /** It stops running because another one runs on its thread. */
  | ({ readonly type: 'preempt' } & OfGoroutine)
  /** It becomes runnable: due to what is running on the thread, or due to an external event if nothing is running. */
  | ({ readonly type: 'wake' } & OfGoroutine)
  | ({ readonly type: 'end' } & OfGoroutine)
  /** A garbage collection; `time` is its start. `before` and `after` are the used bytes of the heap, if known. */
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
  /** A CPU sample. `goroutine` is the one that was running; 0 if unknown. */
  | ({ readonly type: 'sample'; readonly stack: number } & OfGoroutine)
  | { readonly type: 'name'; readonly id: number; readonly text: string }
  /** Innermost frame first. */
  | { readonly type: 'stack'; readonly id: number; readonly frames: readonly TraceFrame[] };
