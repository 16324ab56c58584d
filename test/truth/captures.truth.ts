import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { HoldMeter } from '../../src/profiling/loop.js';
import { startWorkload, TestProcess, type Workload } from '../support/process.js';
import { atLeast, atMost, claim } from './claim.js';

interface Told {
  readonly longestHoldMs: number;
  readonly seconds: number;
  /** How long its caller waited. */
  readonly tookMs: number;
}

describe('what operators are told of a capture', () => {
  let app: Workload;
  beforeAll(async () => {
    app = await startWorkload('holds.mjs');
  });
  afterAll(() => TestProcess.stopAll());

  it('has the time that a collection of the garbage holds the event loop', async () => {
    const told = await app.post<Told & { longestGcMs: number }>('collect');
    // V8 times a part of the call that asks it to collect.
    const ratio = told.longestHoldMs / told.longestGcMs;
    claim('heap with gc=1: its longest hold has the collection in it', ratio, atLeast(0.9));
    claimTimes('heap with gc=1', told);
  });

  it('is how long it took', async () => {
    const told = await app.post<Told>('sample');
    claim('profile of a second: takes that second', told.seconds, atLeast(0.98));
    claimTimes('profile of a second', told);
  });
});

function claimTimes(subject: string, { longestHoldMs, seconds, tookMs }: Told): void {
  claim(`${subject}: its longest hold is a part of its time`, longestHoldMs / 1000 / seconds, atMost(1));
  claim(`${subject}: its time is no longer than its caller waited`, (seconds * 1000) / tookMs, atMost(1));
  // Its caller goes on some microtasks later; a process that waits for the CPU just then is what this allows for.
  claim(`${subject}: its time is nearly all that its caller waited`, (seconds * 1000) / tookMs, atLeast(0.5));
}

describe('a process that captures again and again', () => {
  afterAll(() => TestProcess.stopAll());

  it('keeps no memory of its captures', async () => {
    const app = await startWorkload('retained.mjs');
    const { captures, before, after } =
      await app.post<Record<'captures' | 'before' | 'after', number>>('capture');
    // What V8 compiles and caches meanwhile is 1 % or less; if the profiles of one endpoint stayed, they would be 2 % more.
    claim(`memory in use after ${captures} captures, by that before`, after / before, atMost(1.02));
  });
});

describe('HoldMeter', () => {
  it('keeps the longest hold, as the work itself measures it', () => {
    const holds = new HoldMeter();
    const ms = [50, 300, 50].map((busy) => holds.time(() => busyFor(busy)));
    const ratio = holds.longestMs / Math.max(...ms);
    claim('HoldMeter: the longest hold is all of the longest work', ratio, atLeast(1));
    // It begins before the work and ends after it, and the process may wait for the CPU in between.
    claim('HoldMeter: the longest hold is no more than the longest work', ratio, atMost(1.2));
  });
});

function busyFor(ms: number): number {
  const begin = performance.now();
  while (performance.now() - begin < ms);
  return performance.now() - begin;
}
