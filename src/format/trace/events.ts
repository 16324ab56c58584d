/**
 * What an execution trace is made of, whatever it is written as: plain events, cheap to make.
 *
 * All times (`at`, `until`) are nanoseconds of one monotonic clock, that of `process.hrtime`, counted from wherever the
 * source likes (the begin of the trace: numbers stay small). All ids are whole numbers from 1 on.
 *
 * Sources need not agree. Events may come late, in any order within a second, twice, or never: writers make a consistent
 * trace of whatever they are given, and leave out what cannot be.
 */
export type TraceEvent =
  | ThreadEvent
  | ExecutionEvent
  | RunEvent
  | IdleEvent
  | WaitEvent
  | WakeEvent
  | EndEvent
  | CollectionEvent
  | HeapEvent
  | TaskBeginEvent
  | TaskEndEvent
  | RegionBeginEvent
  | RegionEndEvent
  | LogEvent
  | SampleEvent
  | CutEvent;

/** A place in the code. Where a source gives the same object for the same place, writing it is cheaper. */
export interface TraceFrame {
  /** As it is to be shown. */
  readonly functionName: string;
  /** Empty for what stands for no place in the code. */
  readonly file: string;
  readonly line: number;
}

/** Innermost first. Where a source gives the same array for the same stack, it is written once. */
export type TraceStack = readonly TraceFrame[];

/** What an execution waits for. */
export type WaitCause = 'network' | 'timer' | 'promise' | 'file' | 'unknown';

/** What runs outside of all executions that a source knows of. It need not be told of. */
export const OUTSIDE = 1;

/** A thread and its name. A thread that is not told of before something happens on it has a name of its own making. */
export interface ThreadEvent {
  readonly type: 'thread';
  readonly at: number;
  /** The operating system's number. */
  readonly thread: number;
  readonly name: string;
  /** JavaScript runs on it, and it has a row even if nothing happens. Otherwise it is only named. */
  readonly runs?: boolean;
}

/** An execution begins: a request, a timer's callback, a message's handler. It can run from then on. */
export interface ExecutionEvent {
  readonly type: 'execution';
  readonly at: number;
  readonly execution: number;
  /** Such as `GET /cats/:id`, or the callback's function. */
  readonly name: string;
  /** Its handler or callback: executions with the same one are a group. If it is missing, the name stands for it. */
  readonly start?: TraceFrame | undefined;
  /** The execution that began it, if known. */
  readonly by?: number | undefined;
  /** It had begun before the trace did, and waits for this. */
  readonly already?: WaitCause | undefined;
}

/** A callback of an execution is on the stack. Whatever else ran on this thread stops, and can run. */
export interface RunEvent {
  readonly type: 'run';
  readonly at: number;
  readonly thread: number;
  readonly execution: number;
}

/** Nothing runs on a thread any more. An execution that did, and has not told what it waits for, waits for something. */
export interface IdleEvent {
  readonly type: 'idle';
  readonly at: number;
  readonly thread: number;
}

/** An execution has left the stack, and waits. */
export interface WaitEvent {
  readonly type: 'wait';
  readonly at: number;
  readonly execution: number;
  readonly cause: WaitCause;
  /** Where it began to wait. */
  readonly stack?: TraceStack | undefined;
}

/** What an execution waited for is there; it can run. `run` alone says so too, for the same moment. */
export interface WakeEvent {
  readonly type: 'wake';
  readonly at: number;
  readonly execution: number;
  /** The execution that did it, such as by resolving a promise; otherwise it was the network, a timer, the pool. */
  readonly by?: number | undefined;
}

export interface EndEvent {
  readonly type: 'end';
  readonly at: number;
  readonly execution: number;
}

/** A garbage collection of V8's. */
export interface CollectionEvent {
  readonly type: 'collection';
  readonly at: number;
  readonly until: number;
  readonly thread: number;
  /** Such as `scavenge` or `mark-compact`. */
  readonly kind: string;
  /** Bytes in use, if known. */
  readonly before?: number | undefined;
  readonly after?: number | undefined;
}

/** Bytes of a thread's heap. */
export interface HeapEvent {
  readonly type: 'heap';
  readonly at: number;
  readonly thread: number;
  readonly used: number;
  /** How large it may become before V8 collects, or at most. */
  readonly goal?: number | undefined;
}

/** A task: something that a user waits for, such as a request. */
export interface TaskBeginEvent {
  readonly type: 'task-begin';
  readonly at: number;
  readonly task: number;
  readonly name: string;
  readonly parent?: number | undefined;
  /** In which it begins. */
  readonly execution: number;
  readonly stack?: TraceStack | undefined;
}

export interface TaskEndEvent {
  readonly type: 'task-end';
  readonly at: number;
  readonly task: number;
  readonly execution: number;
  readonly stack?: TraceStack | undefined;
}

/** A part of an execution with a name: a guard, a handler. Regions of an execution nest. */
export interface RegionBeginEvent {
  readonly type: 'region-begin';
  readonly at: number;
  readonly execution: number;
  /** Its number: unique in the trace. */
  readonly region: number;
  readonly name: string;
  readonly task?: number | undefined;
  readonly stack?: TraceStack | undefined;
}

/** Ends a region, and those that began within it and have not ended. */
export interface RegionEndEvent {
  readonly type: 'region-end';
  readonly at: number;
  readonly execution: number;
  readonly region: number;
  readonly stack?: TraceStack | undefined;
}

/** Something an execution says. */
export interface LogEvent {
  readonly type: 'log';
  readonly at: number;
  readonly execution: number;
  /** Such as `status`. May be empty. */
  readonly key: string;
  readonly text: string;
  readonly task?: number | undefined;
  readonly stack?: TraceStack | undefined;
}

/** V8 found this stack on the CPU. May come at any time, and in any order. */
export interface SampleEvent {
  readonly type: 'sample';
  readonly at: number;
  readonly thread: number;
  /** The one that ran, if known. */
  readonly execution?: number | undefined;
  readonly stack: TraceStack;
}

/** The trace ends here, before its time: it says so itself, and takes no more. */
export interface CutEvent {
  readonly type: 'cut';
  readonly at: number;
  readonly why: string;
}

/**
 * Writes a trace piece by piece: pieces are handed out as they become full, whatever has come by then.
 */
export interface TraceWriter {
  /** Takes an event. Some steps write what has come so far: 1,000 events or so at once. */
  write(event: TraceEvent): void;
  /** Hands out what can be written by now, though it is little: what has come by then is a trace. `at` is now. */
  flush(at: number): void;
  /** Writes the rest and closes all that is open. `at` is when the trace ends. Yields now and then. */
  end(at: number): Generator<void, void>;
}

/** Takes a piece; it is the receiver's from then on. */
export type TakePiece = (piece: Uint8Array) => void;
