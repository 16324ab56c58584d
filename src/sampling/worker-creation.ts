import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Worker } from 'node:worker_threads';
import { type CallerFrame, callStackOf } from './call-stack.js';
import { perProcess } from './process-state.js';

/** The name of worker threads of ours. */
export const OWN_WORKER = 'nestjs-pprof source maps';

/** A worker thread by what created it. */
export interface CreatedWorker {
  readonly threadId: number;
  /** The option `name`, where it was given and Node tells it (from 22 on). */
  readonly name: string;
  /** Where `new Worker(...)` was called, innermost first. */
  readonly stack: readonly CallerFrame[];
}

/** The worker threads that this thread has created since they are watched. */
export interface WorkerCounts {
  readonly since: Date;
  readonly created: number;
  readonly alive: readonly CreatedWorker[];
}

interface Watch {
  since: Date | undefined;
  users: number;
  /** A worker of ours is being created. */
  isOwn: boolean;
  created: number;
  /** Those that were alive when the last one was created: never many that have ended. */
  workers: readonly (CreatedWorker & { readonly worker: WeakRef<Worker> })[];
  stop: (() => void) | undefined;
}

/** The types are those of the oldest Node. */
type NodeWorker = Worker & { readonly threadName?: string | null };

/** Node publishes each new worker there, in its constructor. */
const CHANNEL = 'worker_threads';

/** What Node 24 and up call a worker thread without a name. */
export const UNNAMED_WORKER = 'WorkerThread';

const watch = (): Watch =>
  perProcess('workers', () => ({
    since: undefined,
    users: 0,
    isOwn: false,
    created: 0,
    workers: [],
    stop: undefined,
  }));

/**
 * Remembers from now on which stacks create worker threads. Workers are neither held nor listened to: Node tells by their
 * `threadId` which have ended.
 *
 * @returns what ends it; it goes on while someone else watches
 */
export function watchWorkers(): () => void {
  const state = watch();
  state.since ??= new Date();
  state.users++;
  state.stop ??= subscribed();
  return () => {
    if (--state.users > 0) return;
    state.stop?.();
    state.stop = undefined;
  };
}

/** What is known of the worker threads now. */
export function createdWorkers(): WorkerCounts {
  const { since = new Date(), created, workers } = watch();
  return { since, created, alive: workers.filter(isAlive) };
}

/** Creates a worker of ours, which is no matter of the application's. */
export function unwatched<T>(create: () => T): T {
  const state = watch();
  state.isOwn = true;
  try {
    return create();
  } finally {
    state.isOwn = false;
  }
}

function subscribed(): () => void {
  subscribe(CHANNEL, onWorker);
  return () => unsubscribe(CHANNEL, onWorker);
}

/** An error here would end the process. */
function onWorker(message: unknown): void {
  try {
    remember((message as { worker: NodeWorker }).worker);
  } catch {
    // Jest takes the state away after a test file whose application has not been closed.
  }
}

function remember(worker: NodeWorker): void {
  const state = watch();
  if (state.isOwn) return;
  state.created++;
  const entry = {
    threadId: worker.threadId,
    name: givenName(worker.threadName ?? ''),
    stack: creatorsStack(),
    worker: new WeakRef<Worker>(worker),
  };
  state.workers = [...state.workers.filter(isAlive), entry];
}

/** The name that a worker was given, if any, by that of its thread. */
export function givenName(threadName: string): string {
  return threadName === UNNAMED_WORKER ? '' : threadName;
}

/** Without Node's own frames at its leaf. */
function creatorsStack(): readonly CallerFrame[] {
  try {
    const stack = callStackOf(onWorker);
    while (stack[0]?.filename.startsWith('node:')) stack.shift();
    return stack;
  } catch {
    return []; // the globals may be frozen
  }
}

function isAlive({ worker }: { readonly worker: WeakRef<Worker> }): boolean {
  return (worker.deref()?.threadId ?? -1) > 0;
}
