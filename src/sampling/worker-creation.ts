import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Worker } from 'node:worker_threads';
import { type CallerFrame, callStackOf } from './call-stack.js';
import { nativeThreadIds } from './native-threads.js';
import { perProcess } from './process-state.js';

/** The name of worker threads of ours. */
export const OWN_WORKER = 'nestjs-pprof source maps';

/** A worker thread by what created it. */
export interface CreatedWorker {
  /** Node's. */
  readonly threadId: number;
  /** The kernel's number of the thread; undefined where the system does not list them (all but Linux). */
  readonly nativeId: number | undefined;
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

/** A worker thread of which one can learn whether it has ended. */
export interface WatchedWorker extends CreatedWorker {
  readonly worker: WeakRef<Worker>;
}

interface Watch {
  since: Date | undefined;
  users: number;
  /** A worker of ours is being created. */
  isOwn: boolean;
  created: number;
  /** Called with each that is created. */
  readonly followers: Set<(worker: WatchedWorker) => void>;
  /** The kernel's numbers of all threads when this was last looked at. */
  nativeIds: ReadonlySet<number>;
  /** Those that were alive when the last one was created: never many that have ended. */
  workers: readonly WatchedWorker[];
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
    followers: new Set(),
    nativeIds: new Set(),
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

/**
 * Calls a function with each worker thread that is alive, and with each when it is created.
 *
 * @returns what ends it
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
  watch().nativeIds = new Set(nativeThreadIds());
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
    nativeId: newestThread(state),
    name: givenName(worker.threadName ?? ''),
    stack: creatorsStack(),
    worker: new WeakRef<Worker>(worker),
  };
  state.workers = [...state.workers.filter(isAlive), entry];
  for (const follower of state.followers) follower(entry);
}

/** The kernel counts up. Other threads may have been started since the last worker. */
function newestThread(state: Watch): number | undefined {
  const ids = nativeThreadIds();
  const added = ids.filter((id) => !state.nativeIds.has(id));
  state.nativeIds = new Set(ids);
  return added.length > 0 ? Math.max(...added) : undefined;
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

export function isAlive({ worker }: WatchedWorker): boolean {
  return (worker.deref()?.threadId ?? -1) > 0;
}
