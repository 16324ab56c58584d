import { describe, expect, it } from '@jest/globals';
import { HoldMeter } from './hold-meter.js';

function busyFor(ms: number): number {
  const begin = performance.now();
  while (performance.now() - begin < ms);
  return performance.now() - begin;
}

function failing(): never {
  busyFor(20);
  throw new Error('broken');
}

describe('HoldMeter', () => {
  it('keeps the longest hold', () => {
    const holds = new HoldMeter();
    expect(holds.longestMs).toBe(0);
    holds.time(() => busyFor(5));
    const longest = holds.time(() => busyFor(30));
    holds.time(() => busyFor(5));
    expect(holds.longestMs).toBeGreaterThanOrEqual(longest);
  });

  it('hands on what the work returns or throws, and notes it all the same', () => {
    const holds = new HoldMeter();
    expect(holds.time(() => 'done')).toBe('done');
    expect(() => holds.time(failing)).toThrow('broken');
    expect(holds.longestMs).toBeGreaterThanOrEqual(20);
  });
});
