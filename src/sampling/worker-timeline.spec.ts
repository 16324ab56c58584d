import { channel } from 'node:diagnostics_channel';
import { basename } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { watchWorkers } from './worker-creation.js';
import { WorkerTimeline } from './worker-timeline.js';

/** A worker, as far as it matters. */
interface MadeUpWorker {
  threadId: number;
  readonly threadName: string;
}

/** Held, as Node holds a worker while its thread runs. */
const running: MadeUpWorker[] = [];

function created(threadId: number): MadeUpWorker {
  const worker = { threadId, threadName: `worker ${threadId}` };
  running.push(worker);
  channel('worker_threads').publish({ worker });
  return worker;
}

const told = (events: ReturnType<WorkerTimeline['take']>) =>
  events.map(({ type, worker }) => `${type} ${worker.threadId}`);

describe('WorkerTimeline', () => {
  let stop: () => void;
  beforeEach(() => void (stop = watchWorkers()));
  afterEach(() => {
    for (const worker of running.splice(0)) worker.threadId = -1;
    stop();
  });

  it('has the workers that are alive, those that are created, and those that have ended', () => {
    created(1).threadId = -1;
    const second = created(2);
    const timeline = new WorkerTimeline();
    expect(told(timeline.take())).toEqual(['begin 2']);
    const third = created(3);
    third.threadId = -1;
    created(4);
    expect(told(timeline.take())).toEqual(['begin 3', 'begin 4', 'end 3']);
    expect(timeline.take()).toEqual([]);
    second.threadId = -1;
    expect(told(timeline.stop())).toEqual(['end 2']);
    created(5);
    expect(timeline.take()).toEqual([]);
  });

  it('has times of performance.now() in whole nanoseconds, and what created a worker', () => {
    const timeline = new WorkerTimeline();
    const from = performance.now() * 1e6;
    created(1);
    const to = performance.now() * 1e6;
    const [event] = timeline.stop();
    expect(event!.time).toBeGreaterThanOrEqual(Math.floor(from));
    expect(event!.time).toBeLessThanOrEqual(Math.ceil(to));
    expect(Number.isInteger(event!.time)).toBe(true);
    expect(event!.worker.name).toBe('worker 1');
    expect(event!.worker.stack.map(({ name }) => name)).toContain('created');
  });

  it("knows the kernel's number of a worker's thread, where the system tells it", async () => {
    const timeline = new WorkerTimeline();
    const code = `
      const { parentPort } = require('node:worker_threads');
      try {
        parentPort.postMessage(require('node:fs').readlinkSync('/proc/thread-self'));
      } catch {
        parentPort.postMessage('');
      }
      setTimeout(() => {}, 1e6);`;
    const workers = [1, 2].map(() => new Worker(code, { eval: true }));
    const events = timeline.stop();
    const links = await Promise.all(
      workers.map((worker) => new Promise<string>((resolve) => void worker.once('message', resolve))),
    );
    const own = links.map((link) => Number(basename(link)) || undefined);
    await Promise.all(workers.map((worker) => worker.terminate()));
    expect(events.map(({ worker }) => worker.nativeId)).toEqual(own);
  });
});
