import type { WaitCause } from '../../format/trace-event.js';
import type { CallStack } from '../../sampling/wait-sample.js';

/** Goroutine of all that belongs to no execution. */
export const OUTSIDE = 1;

/** The number of an execution of which is not decided yet whether it is one of its own. */
export const UNDECIDED = 0;

/** What an execution waits for. */
export interface Awaited {
  readonly cause: WaitCause;
  readonly stack: CallStack | undefined;
}

/** Nothing that is known: a request waits for its client then. */
const FROM_OUTSIDE: Awaited = { cause: 'network', stack: undefined };

/** It could go on, and something else runs first. */
const NOTHING: Awaited = { cause: 'yield', stack: undefined };

/** An asynchronous execution: a request, a chain of timers, a message handler and all that they start. */
export class Execution {
  /** By what a resource is. */
  readonly tags: Readonly<Record<'promise' | 'await' | 'callback' | 'tick' | 'other', ExecutionTag>> = {
    promise: { execution: this, isCounted: false, isDrained: true },
    await: { execution: this, isCounted: true, isDrained: true },
    callback: { execution: this, isCounted: true, isDrained: false },
    tick: { execution: this, isCounted: false, isDrained: true },
    other: { execution: this, isCounted: false, isDrained: false },
  };
  /** When it began to run last, in ns. */
  begin = 0;
  /** Callbacks that are still to come. */
  pending = 0;
  /** What it waits for, by the promise or the resource; the last one is the innermost. */
  readonly waits = new Map<number, Awaited>();
  /** One of these is over since it ran. */
  isReady = false;
  /** It has stopped running, and is not ready. */
  isAsleep = false;
  hasEnded = false;
  /** Regions that contain all that it starts, innermost last. */
  readonly scopes: number[] = [];

  /**
   * @param trace to which it belongs: what lives on after that must not hold more of it
   * @param isKept it does not end with its last callback
   */
  constructor(
    readonly trace: object,
    public goroutine = UNDECIDED,
    readonly isKept = false,
    public task = 0,
  ) {}

  /** What it waits for when it stops running now. */
  get next(): Awaited {
    return this.isReady ? NOTHING : ([...this.waits.values()].at(-1) ?? FROM_OUTSIDE);
  }

  /** Nothing of it is to come any more. */
  get isOver(): boolean {
    return !this.isKept && this.pending === 0 && this.scopes.length === 0;
  }
}

/** What an async resource has of its execution. */
export interface ExecutionTag {
  readonly execution: Execution;
  /** In `pending`. */
  readonly isCounted: boolean;
  /** It is called back before the event loop goes on. */
  readonly isDrained: boolean;
}

const TAG = Symbol('nestjs-pprof/execution');

interface Tagged {
  [TAG]?: ExecutionTag;
}

/** Notes the execution of an async resource: a property takes less time than a map, and goes when the resource goes. */
export function tag(resource: object, of: ExecutionTag): void {
  try {
    (resource as Tagged)[TAG] = of;
  } catch {
    // It may be frozen; to throw in a hook would end the process.
  }
}

export function tagOf(resource: object): ExecutionTag | undefined {
  return (resource as Tagged)[TAG];
}
