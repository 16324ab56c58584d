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
  /** It is over when the promise is resolved. V8 also calls back for a promise when it forwards another one to it. */
  readonly isForPromise?: boolean;
  /** What calls back, which may be another matter than what it awaits. */
  readonly callback?: WeakRef<Callback>;
}

/** What is used of a timer. */
interface Callback {
  /** It has been cleared, or has fired. */
  readonly _destroyed?: boolean;
}

/** Nobody holds a timer that was cleared. */
function isOver(callback: Callback | undefined): boolean {
  const { _destroyed: isDestroyed = false } = callback ?? { _destroyed: true };
  return isDestroyed;
}

/** Nothing that is known: a request waits for its client then. */
export const FROM_OUTSIDE: Awaited = { cause: 'network', stack: undefined };

/** A promise of which no more is known. */
const PROMISE: Awaited = { cause: 'promise', stack: undefined };

/** It could go on, and something else runs first. */
const NOTHING: Awaited = { cause: 'yield', stack: undefined };

/** What an execution waits for, by the ids of promises and resources. */
class Waits {
  private readonly byId = new Map<number, Awaited>();
  /** In the order in which they began, with some that are over. */
  private awaits: number[] = [];
  private callbacks: number[] = [];

  get isEmpty(): boolean {
    return this.byId.size === 0;
  }

  /** The last one is the innermost. */
  get last(): Awaited | undefined {
    return this.lastOf(this.awaits) ?? this.lastOf(this.callbacks);
  }

  /** @returns the oldest one, which is forgotten if there are many; 0 if none is */
  add(id: number, awaited: Awaited): number {
    this.byId.set(id, awaited);
    if (awaited.callback) this.callbacks.push(id);
    else this.awaits.push(id);
    if (this.awaits.length + this.callbacks.length > 2 * this.byId.size + FEW) this.compact();
    if (this.byId.size <= MANY) return 0;
    const [oldest] = this.byId.keys();
    this.byId.delete(oldest!);
    return oldest!;
  }

  /**
   * Forgets timers that were cleared.
   *
   * @returns how many
   */
  forgetCleared(): number {
    const { size } = this.byId;
    for (const id of this.callbacks) {
      const { callback } = this.byId.get(id) ?? {};
      if (callback && isOver(callback.deref())) this.byId.delete(id);
    }
    if (this.byId.size < size) this.compact();
    return size - this.byId.size;
  }

  delete(id: number): void {
    this.byId.delete(id);
  }

  /** A callback begins. */
  calledBack(id: number): void {
    if (!this.byId.get(id)?.isForPromise) this.byId.delete(id);
  }

  /** @returns all, of which none is left */
  clear(): number[] {
    const ids = [...this.byId.keys()];
    this.byId.clear();
    return ids;
  }

  private lastOf(ids: number[]): Awaited | undefined {
    for (; ids.length > 0; ids.pop()) {
      const last = this.byId.get(ids.at(-1)!);
      if (last) return last;
    }
    return undefined;
  }

  /** Each once, where it was added last. */
  private left(ids: readonly number[]): number[] {
    const last = new Set(ids.toReversed());
    return [...last].filter((id) => this.byId.has(id)).toReversed();
  }

  private compact(): void {
    this.awaits = this.left(this.awaits);
    this.callbacks = this.left(this.callbacks);
  }
}

/** Ids that are over and not worth to be removed. */
const FEW = 16;

/** Of one execution. What it does not await any more, such as what never settles, piles up. */
const MANY = 256;

/** What resources are, as far as it matters for executions. */
const TAGS = {
  promise: { isCounted: false, isDrained: true, isNodes: false },
  await: { isCounted: true, isDrained: true, isNodes: false },
  callback: { isCounted: true, isDrained: false, isNodes: false },
  tick: { isCounted: false, isDrained: true, isNodes: false },
  nodes: { isCounted: false, isDrained: false, isNodes: true },
  other: { isCounted: false, isDrained: false, isNodes: false },
};

/** An asynchronous execution: a request, a chain of timers, a message handler and all that they start. */
export class Execution {
  private readonly tags: Partial<Record<keyof typeof TAGS, ExecutionTag>> = {};
  /** When it began to run last, in ns. */
  begin = 0;
  /** Callbacks that are still to come. */
  pending = 0;
  readonly waits = new Waits();
  /** One of these is over since it ran. */
  isReady = false;
  /** It has stopped running for another one, and may go on in the same turn of the event loop. */
  isYielding = false;
  /** Which one it has become, if it has. */
  became: Execution | undefined;
  /** It has stopped running, and is not ready. */
  isAsleep = false;
  hasEnded = false;
  /** Regions that contain all that it starts, innermost last. */
  readonly scopes: number[] = [];

  /**
   * @param trace to which it belongs: what lives on after that must not hold more of it
   * @param isKept it does not end with its last callback
   * @param inPlaceOf which one it becomes when it does anything
   */
  constructor(
    readonly trace: object,
    public goroutine = UNDECIDED,
    readonly isKept = false,
    public task = 0,
    readonly inPlaceOf?: Execution,
  ) {}

  /** For a resource, by what that is. */
  tag(kind: keyof typeof TAGS): ExecutionTag {
    return (this.tags[kind] ??= { ...TAGS[kind], execution: this });
  }

  /** What it waits for when it stops running now. */
  get next(): Awaited {
    if (this.isReady) return NOTHING;
    return this.waits.last ?? (this.pending > 0 ? PROMISE : FROM_OUTSIDE);
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
  /** It calls Node's own code, which may do nothing that the execution waits for. */
  readonly isNodes: boolean;
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
