import { type CallerFrame, callStackOf, stackKey } from './call-stack.js';
import type { CallStack } from './wait-sample.js';
import type { WaitState } from './wait-states.js';

/** What a stack says of who waits. */
export interface Origin {
  /** From the first frame that is not of Node. */
  readonly stack: CallStack;
  /** That frame is there, and not of this library. */
  readonly isUser: boolean;
  /** It is not executing. */
  readonly isAsync: boolean;
  /** It is Node's code that awaits. */
  readonly isNodes: boolean;
  /** Node's code does nothing but to set a timer: it is not one of Node's own. */
  readonly isTimer: boolean;
  /** Nor of one of its functions that returns a promise. */
  readonly setsTimer: boolean;
  readonly isFetch: boolean;
  readonly canBeDropped: boolean;
}

/** Tells of stacks where they come from; many are the same. */
export class StackOrigins {
  private readonly stacks = new Map<string, CallStack>();
  private readonly origins = new WeakMap<readonly CallerFrame[], Origin>();

  /** @param stack the same list for the same stack, if possible */
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
    isNodes: nodes.some(({ filename }) => filename !== ''), // functions of the language have none
    isTimer: nodes.every(({ filename }) => filename === 'node:timers'),
    setsTimer: nodes.every(({ filename }) => filename === '' || filename.startsWith('node:timers')),
    isFetch: nodes.some(({ filename }) => filename.startsWith(FETCH)),
    canBeDropped: nodes.some(({ name }) => DROPPING.has(name)),
  };
}

export function stateOf({ isFetch, canBeDropped }: Origin, ofResource: WaitState): WaitState {
  if (canBeDropped) return 'select'; // as in Go, for the first of several
  return isFetch ? 'IO wait' : ofResource;
}

/** The implementation of `fetch`: of what it waits for, its timers say nothing. */
const FETCH = 'node:internal/deps/undici';

/** Where the code of this library is: what it waits for is not the application's matter. */
const OWN = ownDirectory();

/** Whether a file is this library's. */
export function isOwn(filename: string): boolean {
  return filename.startsWith(OWN);
}

function ownDirectory(): string {
  const { filename = '' } = callStackOf(ownDirectory)[0] ?? {};
  return filename.replace(/sampling[\\/]stack-origin\.\w+$/, '') || 'unknown:';
}

/** Stacks that are shared. */
const MOST_STACKS = 10_000;

/** Where Node calls hooks, and runs promise jobs: between a function that goes on and those that await it. */
const CALLING = new Set([
  'node:internal/async_hooks',
  'node:internal/process/task_queues',
  'node:internal/timers',
]);

/** Functions of `Promise` that go on when one of several promises is settled. */
const DROPPING = new Set(['race', 'any', 'Promise.race', 'Promise.any']); // by the version of V8
