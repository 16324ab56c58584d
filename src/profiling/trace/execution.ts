import type { WaitCause } from '../../format/trace-event.js';
import type { CallStack } from '../../sampling/wait-sample.js';

/** Goroutine of all that belongs to no execution. */
export const OUTSIDE = 1;

/** The number of an execution of which is not decided yet whether it is one of its own. */
export const UNDECIDED = 0;

/** What an execution waits for when it stops running. */
export interface AwaitedNext {
  readonly cause: WaitCause;
  readonly stack: CallStack | undefined;
  /** The promise that it awaits; 0 if none. */
  readonly promise: number;
}

const FROM_OUTSIDE: AwaitedNext = { cause: 'network', stack: undefined, promise: 0 };

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
  next = FROM_OUTSIDE;
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
