import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { HoldMeter } from '../../src/profiling/hold-meter.js';
import { startWorkload, TestProcess } from '../support/process.js';
import { atLeast, atMost, claim } from './claim.js';

describe('what operators are told of a capture', () => {
  let told: Record<'longestGcMs' | 'longestHoldMs' | 'seconds' | 'tookMs', number>;
  beforeAll(async () => {
    const app = await startWorkload('holds.mjs');
    told = await app.post('collect');
  });
  afterAll(() => TestProcess.stopAll());

  it('has the time that a collection of the garbage holds the event loop', () => {
    const { longestGcMs, longestHoldMs, seconds } = told;
    // V8 times a part of what the call takes that asks it to collect.
    claim(
      'heap with gc=1: its longest hold has the collection in it',
      longestHoldMs / longestGcMs,
      atLeast(0.9),
    );
    claim(
      'heap with gc=1: its longest hold is a part of its time',
      longestHoldMs / 1000 / seconds,
      atMost(1),
    );
  });

  it('is how long it took', () => {
    const { seconds, tookMs } = told;
    claim(
      'heap with gc=1: its time is no longer than its caller waited',
      (seconds * 1000) / tookMs,
      atMost(1),
    );
    // Its caller goes on some microtasks later; a process that waits for the CPU just then is what this allows for.
    claim(
      'heap with gc=1: its time is nearly all that its caller waited',
      (seconds * 1000) / tookMs,
      atLeast(0.5),
    );
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
