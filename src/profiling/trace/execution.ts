import type { WaitCause } from '../../format/trace-event.js';
import type { CallStack } from '../../sampling/wait-sample.js';

/** The goroutine of the event loop: everything that belongs to no execution. */
export const OUTSIDE = 1;

/** The goroutine number of an execution for which it is undecided whether it gets its own goroutine. */
export const UNDECIDED = 0;

/** Something that an execution waits for. */
export interface Awaited {
  readonly cause: WaitCause;
  readonly stack: CallStack | undefined;
  /** Whether the wait ends when the promise is resolved. (A promise also has a callback when another one is forwarded to it.) */
  readonly isForPromise?: boolean;
  /** The resource that calls back, which may be unrelated to what the execution awaits. */
  readonly callback?: WeakRef<Callback>;
}

/** The used part of a timer. */
interface Callback {
  /** Whether it was cleared or has fired. */
  readonly _destroyed?: boolean;
}

/** A cleared timer may have been collected. */
function isOver(callback: Callback | undefined): boolean {
  const { _destroyed: isDestroyed = false } = callback ?? { _destroyed: true };
  return isDestroyed;
}

/** Nothing known to wait for: a request then waits for its client. */
export const FROM_OUTSIDE: Awaited = { cause: 'network', stack: undefined };

/** A promise about which nothing else is known. */
const PROMISE: Awaited = { cause: 'promise', stack: undefined };

/** It could continue, but something else runs first. */
const NOTHING: Awaited = { cause: 'yield', stack: undefined };

/** What an execution waits for, by the ids of promises and resources. */
class Waits {
  private readonly byId = new Map<number, Awaited>();
  /** In the order of their start; may include some that have ended. */
  private awaits: number[] = [];
  private callbacks: number[] = [];

  get isEmpty(): boolean {
    return this.byId.size === 0;
  }

  /** The last one is the innermost. */
  get last(): Awaited | undefined {
    return this.lastOf(this.awaits) ?? this.lastOf(this.callbacks);
  }

  /** @returns the id of the oldest one, which is dropped if there are too many; 0 if none was dropped */
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

  /** Called when a callback begins. */
  calledBack(id: number): void {
    if (!this.byId.get(id)?.isForPromise) this.byId.delete(id);
  }

  /** @returns the ids of all, which are removed */
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

  /** Without duplicates and ended ones; the last occurrence of each is kept. */
  private left(ids: readonly number[]): number[] {
    const last = new Set(ids.toReversed());
    return [...last].filter((id) => this.byId.has(id)).toReversed();
  }

  private compact(): void {
    this.awaits = this.left(this.awaits);
    this.callbacks = this.left(this.callbacks);
  }
}

/** Number of ended ids that are not worth removing. */
const FEW = 16;

/** Maximum per execution. Otherwise abandoned awaits, such as of promises that never settle, would accumulate. */
const MANY = 256;

/** Kinds of resources that matter for executions. */
const TAGS = {
  promise: { isCounted: false, isDrained: true, isNodes: false },
  await: { isCounted: true, isDrained: true, isNodes: false },
  callback: { isCounted: true, isDrained: false, isNodes: false },
  tick: { isCounted: false, isDrained: true, isNodes: false },
  nodes: { isCounted: false, isDrained: false, isNodes: true },
  other: { isCounted: false, isDrained: false, isNodes: false },
};

/** An asynchronous execution: a request, a chain of timers, or a message handler, and everything that it starts. */
export class Execution {
  private readonly tags: Partial<Record<keyof typeof TAGS, ExecutionTag>> = {};
  /** When it last started to run, in ns. */
  begin = 0;
  /** Number of pending callbacks. */
  pending = 0;
  readonly waits = new Waits();
  /** Whether one of them has ended since it last ran. */
  isReady = false;
  /** Whether it yielded to another one and may continue in the same turn of the event loop. */
  isYielding = false;
  /** The execution that replaced it, if any. */
  became: Execution | undefined;
  /** Whether it has stopped running and is not ready. */
  isAsleep = false;
  hasEnded = false;
  /** Regions that contain everything it starts, innermost last. */
  readonly scopes: number[] = [];

  /**
   * @param trace identifies the trace; resources that outlive the trace must not reference more of it
   * @param isKept whether it continues after its last callback
   * @param inPlaceOf the execution that replaces it as soon as it has an effect
   */
  constructor(
    readonly trace: object,
    public goroutine = UNDECIDED,
    readonly isKept = false,
    public task = 0,
    readonly inPlaceOf?: Execution,
  ) {}

  /** The tag for a resource of some kind. */
  tag(kind: keyof typeof TAGS): ExecutionTag {
    return (this.tags[kind] ??= { ...TAGS[kind], execution: this });
  }

  /** What it waits for if it stops running now. */
  get next(): Awaited {
    if (this.isReady) return NOTHING;
    return this.waits.last ?? (this.pending > 0 ? PROMISE : FROM_OUTSIDE);
  }

  /** Whether it has nothing left to run. */
  get isOver(): boolean {
    return !this.isKept && this.pending === 0 && this.scopes.length === 0;
  }
}

/** Links an async resource to its execution. */
export interface ExecutionTag {
  readonly execution: Execution;
  /** Whether it is counted in `pending`. */
  readonly isCounted: boolean;
  /** Whether its callback runs before the event loop continues. */
  readonly isDrained: boolean;
  /** Whether it calls Node's own code, which may have no effect on the execution. */
  readonly isNodes: boolean;
}

const TAG = Symbol('nestjs-pprof/execution');

interface Tagged {
  [TAG]?: ExecutionTag;
}

/** Stores the execution of an async resource in a property, which is faster than a map and is collected with the resource. */
export function tag(resource: object, of: ExecutionTag): void {
  try {
    (resource as Tagged)[TAG] = of;
  } catch {
    // The resource may be frozen; throwing in a hook would end the process.
  }
}

export function tagOf(resource: object): ExecutionTag | undefined {
  return (resource as Tagged)[TAG];
}
