import { channel } from 'node:diagnostics_channel';
import { Worker } from 'node:worker_threads';
import { runInThisContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createdWorkers, unwatched, watchWorkers } from './worker-creation.js';

const workersChannel = channel('worker_threads');

/** What Node publishes, as far as it matters. */
interface MadeUpWorker {
  threadId: number;
  threadName?: string | null;
}

/** A worker as Node makes one, and a function on a known line that does. */
const startAtLine2 = runInThisContext(
  `(function startAtLine2(create) {
  return create();
})`,
  { filename: '/app/src/pool.js' },
) as <T>(create: () => T) => T;

/** Held, as Node holds a worker while its thread runs. */
const running: MadeUpWorker[] = [];

function publish(worker: MadeUpWorker): MadeUpWorker {
  running.push(worker);
  startAtLine2(() => workersChannel.publish({ worker }));
  return worker;
}

/** Events that a new worker has listeners of, and how many. */
async function listenersOfNewWorker(): Promise<unknown[]> {
  const worker = new Worker('', { eval: true });
  const listeners = worker.eventNames().map((name) => [name, worker.listenerCount(name)]);
  await new Promise((resolve) => worker.once('exit', resolve));
  return listeners;
}

const names = (): string[] => createdWorkers().alive.map(({ name }) => name);

describe('watchWorkers', () => {
  let stop: () => void;
  let before: number;
  beforeEach(() => {
    stop = watchWorkers();
    before = createdWorkers().created;
  });
  afterEach(() => {
    stop();
    for (const worker of running.splice(0)) worker.threadId = -1;
  });

  it('knows which stack created a worker, without frames of Node at its leaf', async () => {
    const worker = startAtLine2(() => new Worker('setTimeout(() => {}, 1e6)', { eval: true }));
    const [{ stack } = { stack: [] }] = createdWorkers().alive;
    await worker.terminate();
    expect(stack[0]!.filename).toMatch(/worker-creation\.spec/);
    expect(stack[1]).toMatchObject({ name: 'startAtLine2', filename: '/app/src/pool.js', line: 2 });
    expect(createdWorkers()).toMatchObject({ created: before + 1, alive: [] });
  });

  it('adds no listener to a worker', async () => {
    const watched = await listenersOfNewWorker();
    stop();
    expect(await listenersOfNewWorker()).toEqual(watched);
    stop = watchWorkers();
  });

  it.each([
    ['mail', 'mail'],
    ['WorkerThread', ''],
    ['', ''],
    [null, ''],
    [undefined, ''],
  ])('takes the thread name %j for %j', (threadName, expected) => {
    publish({ threadId: 1, threadName });
    expect(names()).toEqual([expected]);
  });

  it('counts workers that have ended, and keeps none of those when the next one is created', () => {
    const first = publish({ threadId: 1, threadName: 'first' });
    publish({ threadId: 2, threadName: 'second' });
    first.threadId = -1;
    expect([names(), createdWorkers().created - before]).toEqual([['second'], 2]);
    publish({ threadId: 3, threadName: 'third' });
    const { workers } = (globalThis as unknown as Record<symbol, { workers: unknown[] }>)[
      Symbol.for('nestjs-pprof/workers')
    ]!;
    expect([names(), workers.length]).toEqual([['second', 'third'], 2]);
  });

  it('leaves workers out that are created unwatched', () => {
    unwatched(() => publish({ threadId: 1 }));
    expect(createdWorkers()).toMatchObject({ created: before, alive: [] });
    publish({ threadId: 2 });
    expect(createdWorkers().created).toBe(before + 1);
  });

  it('goes on until the last one stops it', () => {
    const stopSecond = watchWorkers();
    stopSecond();
    publish({ threadId: 1, threadName: 'watched' });
    expect(names()).toEqual(['watched']);
    stop();
    expect(workersChannel.hasSubscribers).toBe(false);
    stop = watchWorkers();
    expect(workersChannel.hasSubscribers).toBe(true);
  });

  it('survives globals that are frozen', () => {
    const { prepareStackTrace } = Error;
    Object.defineProperty(Error, 'stackTraceLimit', { writable: false, configurable: true, value: 10 });
    try {
      publish({ threadId: 1, threadName: 'frozen' });
      expect(createdWorkers().alive).toMatchObject([{ name: 'frozen', stack: [] }]);
    } finally {
      Object.defineProperty(Error, 'stackTraceLimit', { writable: true, configurable: true, value: 10 });
      Error.prepareStackTrace = prepareStackTrace;
    }
  });
});
