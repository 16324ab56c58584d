import { once } from 'node:events';
import { channel } from 'node:diagnostics_channel';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  forgetWorkerBirths,
  rememberWorkerBirths,
  workerBirths,
  workersSettledFor,
} from './worker-births.js';

const workers: Worker[] = [];

function makeHere(): Worker {
  const worker = new Worker('require("node:worker_threads").parentPort.on("message", process.exit)', {
    eval: true,
    name: 'a worker',
  });
  workers.push(worker);
  return worker;
}

const end = (worker: Worker): Promise<unknown> => worker.terminate();

describe('the births of worker threads', () => {
  afterEach(async () => {
    await Promise.all(workers.splice(0).map(end));
    forgetWorkerBirths();
  });

  it('are remembered with their stacks while the workers run', async () => {
    rememberWorkerBirths();
    expect(workerBirths()).toEqual([]);
    const worker = makeHere();
    const [birth, ...others] = workerBirths();
    expect(others).toEqual([]);
    expect(birth!.worker).toBe(worker);
    expect(birth!.stack.slice(0, 2).map(({ functionName }) => functionName)).toEqual(['Worker', 'makeHere']);
    await end(worker);
    expect(workerBirths()).toEqual([]);
  });

  it('are forgotten when all have who wanted them, and not before', () => {
    rememberWorkerBirths();
    rememberWorkerBirths();
    forgetWorkerBirths();
    makeHere();
    expect(workerBirths()).toHaveLength(1);
    forgetWorkerBirths();
    expect(workerBirths()).toEqual([]);
    expect(channel('worker_threads').hasSubscribers).toBe(false);
  });

  it('of those from before are not known', () => {
    makeHere();
    rememberWorkerBirths();
    expect(workerBirths()).toEqual([]);
  });

  it('do not stop a worker from being made where Error is frozen', () => {
    const { prepareStackTrace } = Error;
    Object.defineProperty(Error, 'prepareStackTrace', {
      value: prepareStackTrace,
      writable: false,
      configurable: true,
    });
    try {
      rememberWorkerBirths();
      makeHere();
      expect(workerBirths()).toHaveLength(1);
    } finally {
      Object.defineProperty(Error, 'prepareStackTrace', {
        value: prepareStackTrace,
        writable: true,
        configurable: true,
      });
    }
  });

  it('tell when the last worker came or went', async () => {
    rememberWorkerBirths();
    const before = performance.now();
    const worker = makeHere();
    const sinceBirth = workersSettledFor();
    expect(sinceBirth).toBeLessThanOrEqual(performance.now() - before);
    await once(worker, 'online');
    const exit = once(worker, 'exit');
    worker.postMessage(0, []);
    await exit;
    expect(workersSettledFor()).toBeLessThan(performance.now() - before);
  });
});
