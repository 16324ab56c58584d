import type { Frame, Labels } from '../../format/profile.js';
import type { Execution } from '../../format/goroutine-dump.js';
import { threadId } from 'node:worker_threads';
import type { CallStack, Wait } from '../../sampling/wait-sample.js';
import { type CallerFrame, stackKey } from '../../sampling/call-stack.js';
import type { WorkerStack } from '../../sampling/worker-stacks.js';
import type { WaitState } from '../../sampling/wait-states.js';

import type { RequestInFlight, RequestState } from './requests-in-flight.js';

/** A thread and its current stack. */
export interface ThreadNow {
  readonly threadId: number;
  readonly state: string;
  readonly labels: Labels;
  readonly stack: CallStack;
}

/** A stack of frames that are names only. */
export function named(...names: string[]): CallStack {
  return { key: names.join('\0'), frames: names.map((name) => ({ name, filename: '', line: 0 })) };
}

/** The calling thread and the worker threads. */
export function threadsNow(own: readonly CallerFrame[], workers: readonly WorkerStack[]): ThreadNow[] {
  return [
    { threadId, state: 'running', labels: {}, stack: { key: stackKey(own), frames: own } },
    ...workers.map(({ threadId, name, stack: frames = NO_ANSWER }) => ({
      threadId,
      state: frames.length > 0 ? 'running' : 'IO wait',
      labels: { worker: name },
      stack: frames.length > 0 ? { key: stackKey(frames), frames } : named('(event loop)'),
    })),
  ];
}

/** Frames of a thread that does not answer, since it is starting or in native code. */
const NO_ANSWER = named('(native code)').frames;

/** Labels of an await. Shows a request's route, not its URL, which may contain secrets and differs for every client. */
export function awaitLabels(state: WaitState, request: RequestInFlight | undefined): Labels {
  return { ...(request && routeLabel(request)), state };
}

/** Labels of a request without known awaits. */
export function requestLabels(request: RequestInFlight): Labels {
  return { ...routeLabel(request), state: STATES[request.state] };
}

function routeLabel({ method, route = '' }: RequestInFlight): Labels {
  return { route: `${method} ${route}`.trim() };
}

/** Go's state for a request without known awaits. */
const STATES: Readonly<Record<RequestState, string>> = {
  receiving: 'IO wait',
  handling: 'waiting',
  replying: 'IO wait',
};

/** The frame of a request without a stack: its handler if it is known, otherwise its route. */
export function requestFrame(request: RequestInFlight): string {
  return request.handler ?? `(${routeLabel(request).route})`;
}

/** Ids of threads, awaits and requests must not collide in a dump. Those of requests are 4n + 3. */
const dumpedThread = (id: number): number => 4 * id + 1;
const awaitId = (id: number): number => 4 * id + 2;

/** A block of the dump for a thread, with its current stack. */
export function threadExecution(
  { threadId: id, state, labels }: ThreadNow,
  stack: readonly Frame[],
): Execution {
  return { id: dumpedThread(id), state, waitedMs: 0, labels, stack };
}

/** Appended to the state of an await that can never resume. */
export const LEAKED = ' (leaked)';

/** A block of the dump for an await. */
export function awaitExecution(
  { id, begin, state }: Pick<Wait, 'id' | 'begin' | 'state'>,
  stack: readonly Frame[],
  request: RequestInFlight | undefined,
  now: number,
  note = '',
): Execution {
  return {
    id: awaitId(id),
    state: `${state}${note}`,
    waitedMs: now - begin,
    labels: request ? routeLabel(request) : {},
    stack,
    ...(request && { createdBy: { frame: requestFrame(request), in: request.id } }),
  };
}

/** A block of the dump for a request without known awaits. */
export function requestExecution(request: RequestInFlight): Execution {
  return {
    id: request.id,
    state: STATES[request.state],
    waitedMs: request.ageMs,
    labels: routeLabel(request),
    stack: [requestFrame(request)],
  };
}
