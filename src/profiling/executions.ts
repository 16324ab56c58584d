import { AsyncResource } from 'node:async_hooks';
import { type DumpedExecution, goroutineDump } from '../format/goroutine-dump.js';
import type { PlaceInCode } from '../format/profile-builder.js';
import type { WorkerStack } from '../sampling/worker-stacks.js';
import { STATE_OF_RESOURCE } from '../sampling/wait-state.js';
import { namedFrame, type RawFrame } from '../sampling/sampler.js';
import type { PendingAwait } from './async-tracker.js';
import type { CountedStack } from './profile-maker.js';
import type { RequestUnderWay } from './requests-in-flight.js';

/** Something under way: what the goroutine profiles have a sample and a block for. */
export interface Execution {
  /** The same in every dump; no `await` has it. */
  readonly id: number;
  /** In the words of Go's dumps. */
  readonly state: string;
  /** `performance.now()` at its begin, where that is known. */
  readonly since?: number;
  /** Innermost first. */
  readonly stack: readonly RawFrame[];
  readonly labels: Readonly<Record<string, string>>;
  /** As many as it stands for. */
  readonly weight: number;
  readonly request?: RequestUnderWay | undefined;
  /** It can never go on. */
  readonly leaked?: boolean;
}

/** Node's number of all that belongs to no request, and so ours. */
const MAIN = 1;

/** Numbers of what `async_hooks` has no number for. */
const ids = { requests: new WeakMap<RequestUnderWay, number>(), others: new Map<string, number>() };

/** What the main thread does at this moment. */
export function runningExecution(stack: readonly RawFrame[]): Execution {
  return { id: MAIN, state: 'running', stack, labels: {}, weight: 1 };
}

/** An execution that waits at an `await`, for its request if it has one. */
export function awaitExecution({ id, state, since, stack, weight, request }: PendingAwait): Execution {
  return {
    id,
    state,
    since,
    stack,
    labels: request ? labelsOf(request) : {},
    weight,
    request,
  };
}

/** A request of which no `await` is known. */
export function requestExecution(request: RequestUnderWay): Execution {
  return {
    id: idOfRequest(request),
    state: 'waiting',
    since: request.startedMs,
    stack: [handlerFrame(request)],
    labels: labelsOf(request),
    weight: 1,
  };
}

/** What keeps the process alive, by its type: timers, sockets, files that are read. */
export function resourceExecutions(types: readonly string[]): Execution[] {
  const counts = new Map<string, number>();
  for (const type of types) counts.set(type, (counts.get(type) ?? 0) + 1);
  return Array.from(counts, ([type, weight]) => ({
    id: idOfOther(type),
    state: STATE_OF_RESOURCE.get(type) ?? STATE_OF_RESOURCE.get(type.toUpperCase()) ?? 'waiting',
    stack: [namedFrame(`(${type})`)],
    labels: { resource: type },
    weight,
  }));
}

/** What a worker thread does at this moment. */
export function threadExecution({ threadId, name, frames }: WorkerStack): Execution {
  return {
    id: idOfOther(`thread ${threadId}`),
    state: frames ? 'running' : 'waiting',
    stack: frames ?? [namedFrame('(idle, blocked or not told)')],
    labels: { thread: [name, threadId].filter(Boolean).join(' ') },
    weight: 1,
  };
}

/**
 * As stacks of a profile.
 *
 * @param counts whether it counts as a sample; a dump shows the others too
 */
export function* executionStacks(
  executions: readonly Execution[],
  counts: (execution: Execution) => boolean = () => true,
): Generator<CountedStack, void> {
  for (const execution of executions) {
    const { stack, weight, labels, state } = execution;
    yield { stack, values: [counts(execution) ? weight : 0], labels: { ...labels, state } };
  }
}

/** As blocks of a dump, at one time. */
export function executionDump(
  executions: readonly Execution[],
  now: number,
  framesOf: (execution: number) => readonly PlaceInCode[],
): Generator<void, string[]> {
  return goroutineDump(executions.map((execution, i) => dumped(execution, now, framesOf(i))));
}

function dumped(execution: Execution, now: number, frames: readonly PlaceInCode[]): DumpedExecution {
  const { id, state, since, labels, weight, leaked } = execution;
  const ageMs = since === undefined ? undefined : now - since;
  return {
    id,
    state: leaked ? `${state} (leaked)` : state,
    ageMs,
    labels: {
      ...labels,
      ...(ageMs !== undefined && { age: `${(ageMs / 1000).toFixed(1)}s` }),
      ...(weight > 1 && { count: String(weight) }),
    },
    frames,
    createdBy: creatorOf(execution, frames),
  };
}

/** The handler of its request, at the line where it is in. */
function creatorOf(
  { request, stack }: Execution,
  frames: readonly PlaceInCode[],
): DumpedExecution['createdBy'] {
  if (!request) return undefined;
  const handler = handlerFrame(request);
  const at = stack.findIndex((frame) => nameOf(frame) === nameOf(handler));
  const frame = frames[at] ?? { functionName: nameOf(handler), filename: '', line: 0 };
  return { frame, id: idOfRequest(request) };
}

/** The route is a pattern, so that there are few; what was asked for is nobody's business here. */
function labelsOf({ method, route }: RequestUnderWay): Record<string, string> {
  return { route: `${method} ${route ?? '(no route)'}` };
}

function handlerFrame({ handler }: RequestUnderWay): RawFrame {
  return handler ? namedFrame(handler.method, handler.className) : namedFrame('(request)');
}

function nameOf({ className, functionName }: RawFrame): string {
  return className === undefined ? functionName : `${className}.${functionName}`;
}

function idOfRequest(request: RequestUnderWay): number {
  let id = ids.requests.get(request);
  if (id === undefined) ids.requests.set(request, (id = freshId()));
  return id;
}

/** There are few: types of resources, and threads. */
function idOfOther(what: string): number {
  let id = ids.others.get(what);
  if (id === undefined) ids.others.set(what, (id = freshId()));
  return id;
}

/** One that no promise and no resource gets. */
function freshId(): number {
  return new AsyncResource('PPROFEXECUTION').asyncId();
}
