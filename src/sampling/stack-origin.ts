import { type CallerFrame, callStackOf, stackKey } from './call-stack.js';
import type { CallStack } from './wait-sample.js';
import type { WaitState } from './wait-states.js';

/** What a stack reveals about the waiting code. */
export interface Origin {
  /** Starts at the first frame that is not Node's. */
  readonly stack: CallStack;
  /** Whether there is such a frame and it does not belong to this library. */
  readonly isUser: boolean;
  /** Whether that frame is not executing. */
  readonly isAsync: boolean;
  /** Whether Node's code awaits. */
  readonly isNodes: boolean;
  /** Whether Node's code only sets a timer for the application, not for itself. */
  readonly isTimer: boolean;
  /** The same, or the timer belongs to one of Node's functions that return a promise. */
  readonly setsTimer: boolean;
  readonly isFetch: boolean;
  readonly canBeDropped: boolean;
}

/** Finds the origins of stacks; many stacks are equal. */
export class StackOrigins {
  private readonly stacks = new Map<string, CallStack>();
  private readonly origins = new WeakMap<readonly CallerFrame[], Origin>();

  /** @param stack if possible, the same array for equal stacks */
  of(stack: readonly CallerFrame[]): Origin {
    const known = this.origins.get(stack);
    if (known) return known;
    const origin = originOf(stack, (frames) => this.shared(frames));
    this.origins.set(stack, origin);
    return origin;
  }

  /** Many executions wait at the same place. */
  private shared(frames: readonly CallerFrame[]): CallStack {
    const key = stackKey(frames);
    const known = this.stacks.get(key);
    if (known) return known;
    if (this.stacks.size >= MOST_STACKS) this.stacks.clear();
    const stack = { key, frames };
    this.stacks.set(key, stack);
    return stack;
  }
}

function originOf(
  stack: readonly CallerFrame[],
  shared: (frames: readonly CallerFrame[]) => CallStack,
): Origin {
  const all = stack.filter(({ filename }) => !CALLING.has(filename));
  const first = all.findIndex(({ filename }) => filename !== '' && !filename.startsWith('node:'));
  const nodes = first < 0 ? all : all.slice(0, first);
  const user = all[first];
  return {
    stack: shared(first < 0 ? [] : all.slice(first)),
    isUser: user !== undefined && !isOwn(user.filename),
    isAsync: user?.isAsync === true,
    isNodes: nodes.some(({ filename }) => filename !== ''), // built-in functions have none
    isTimer: nodes.every(({ filename }) => filename === 'node:timers'),
    setsTimer: nodes.every(({ filename }) => filename === '' || filename.startsWith('node:timers')),
    isFetch: nodes.some(({ filename }) => filename.startsWith(FETCH)),
    canBeDropped: nodes.some(({ name }) => DROPPING.has(name)),
  };
}

export function stateOf({ isFetch, canBeDropped }: Origin, ofResource: WaitState): WaitState {
  if (canBeDropped) return 'select'; // as in Go, waiting for the first of several
  return isFetch ? 'IO wait' : ofResource;
}

/** The implementation of `fetch`, whose timers are unrelated to what it waits for. */
const FETCH = 'node:internal/deps/undici';

/** The directory of this library, whose own waits are not reported. */
const OWN = ownDirectory();

/** Whether a file is this library's. */
export function isOwn(filename: string): boolean {
  return filename.startsWith(OWN);
}

function ownDirectory(): string {
  const { filename = '' } = callStackOf(ownDirectory)[0] ?? {};
  return filename.replace(/sampling[\\/]stack-origin\.\w+$/, '') || 'unknown:';
}

/** Maximum number of shared stacks. */
const MOST_STACKS = 10_000;

/** Files in which Node calls hooks and runs promise jobs; their frames are between a continuing function and those that await it. */
const CALLING = new Set([
  'node:internal/async_hooks',
  'node:internal/process/task_queues',
  'node:internal/timers',
]);

/** Functions of `Promise` that continue when one of several promises settles. */
const DROPPING = new Set(['race', 'any', 'Promise.race', 'Promise.any']); // depends on the version of V8
