import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Worker } from 'node:worker_threads';
import { type CallerFrame, callStackOf } from './call-stack.js';
import { nativeThreadIds } from './native-threads.js';
import { perProcess } from './process-state.js';

/** Name of this library's worker threads. */
export const OWN_WORKER = 'nestjs-pprof source maps';

/** A worker thread and the stack that created it. */
export interface CreatedWorker {
  /** Node's thread id. */
  readonly threadId: number;
  /** The kernel's thread id; undefined if the system does not list threads (all except Linux). */
  readonly nativeId: number | undefined;
  /** The worker's option `name`, if it was given and Node reports it (from 22 on). */
  readonly name: string;
  /** Where `new Worker(...)` was called, innermost first. */
  readonly stack: readonly CallerFrame[];
}

/** The worker threads that this thread has created since watching began. */
export interface WorkerCounts {
  readonly since: Date;
  readonly created: number;
  readonly alive: readonly CreatedWorker[];
}

/** A worker thread with a reference to check whether it has ended. */
export interface WatchedWorker extends CreatedWorker {
  readonly worker: WeakRef<Worker>;
}

interface Watch {
  since: Date | undefined;
  users: number;
  /** Whether a worker of this library is being created. */
  isOwn: boolean;
  created: number;
  /** Called with each created worker. */
  readonly followers: Set<(worker: WatchedWorker) => void>;
  /** Kernel ids of all threads at the last check. */
  nativeIds: ReadonlySet<number>;
  /** Workers that were alive when the last one was created; so ended ones don't accumulate. */
  workers: readonly WatchedWorker[];
  stop: (() => void) | undefined;
}

/** The types are of the oldest supported Node. */
type NodeWorker = Worker & { readonly threadName?: string | null };

/** The diagnostics channel to which Node publishes each new worker, in its constructor. */
const CHANNEL = 'worker_threads';

/** Node 24 and later use this name for a worker thread without a name. */
export const UNNAMED_WORKER = 'WorkerThread';

const watch = (): Watch =>
  perProcess('workers', () => ({
    since: undefined,
    users: 0,
    isOwn: false,
    created: 0,
    followers: new Set(),
    nativeIds: new Set(),
    workers: [],
    stop: undefined,
  }));

/**
 * Starts to record the stacks that create worker threads. Keeps no strong references to workers and adds no listeners: their
 * `threadId` shows whether they have ended.
 *
 * @returns a function that stops it, unless there are other users
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

/**
 * Calls a function with each live worker thread, and with each new one.
 *
 * @returns a function that ends it
 */
export function followWorkers(follower: (worker: WatchedWorker) => void): () => void {
  const unwatch = watchWorkers();
  const { followers, workers } = watch();
  workers.filter(isAlive).forEach(follower);
  followers.add(follower);
  return () => {
    followers.delete(follower);
    unwatch();
  };
}

/** The current data about worker threads. */
export function createdWorkers(): WorkerCounts {
  const { since = new Date(), created, workers } = watch();
  return { since, created, alive: workers.filter(isAlive) };
}

/** Creates a worker of this library, which is not recorded. */
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
  watch().nativeIds = new Set(nativeThreadIds());
  subscribe(CHANNEL, onWorker);
  return () => unsubscribe(CHANNEL, onWorker);
}

/** An error here would end the process. */
function onWorker(message: unknown): void {
  try {
    remember((message as { worker: NodeWorker }).worker);
  } catch {
    // Jest removes the state after a test file whose application was not closed.
  }
}

function remember(worker: NodeWorker): void {
  const state = watch();
  if (state.isOwn) return;
  state.created++;
  const entry = {
    threadId: worker.threadId,
    nativeId: newestThread(state),
    name: givenName(worker.threadName ?? ''),
    stack: creatorsStack(),
    worker: new WeakRef<Worker>(worker),
  };
  state.workers = [...state.workers.filter(isAlive), entry];
  for (const follower of state.followers) follower(entry);
}

/** Kernel ids increase. Other threads may have been started since the last worker. */
function newestThread(state: Watch): number | undefined {
  const ids = nativeThreadIds();
  const added = ids.filter((id) => !state.nativeIds.has(id));
  state.nativeIds = new Set(ids);
  return added.length > 0 ? Math.max(...added) : undefined;
}

/** The name given to a worker, by the name of its thread; empty if none was given. */
export function givenName(threadName: string): string {
  return threadName === UNNAMED_WORKER ? '' : threadName;
}

/** The creating stack, without Node's innermost frames. */
function creatorsStack(): readonly CallerFrame[] {
  try {
    const stack = callStackOf(onWorker);
    while (stack[0]?.filename.startsWith('node:')) stack.shift();
    return stack;
  } catch {
    return []; // the globals may be frozen
  }
}

export function isAlive({ worker }: WatchedWorker): boolean {
  return (worker.deref()?.threadId ?? -1) > 0;
}
