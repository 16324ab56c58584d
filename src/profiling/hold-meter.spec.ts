import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { HoldMeter } from './hold-meter.js';

describe('HoldMeter', () => {
  let now = 0;
  beforeEach(() => void jest.spyOn(performance, 'now').mockImplementation(() => now));
  afterEach(() => void jest.restoreAllMocks());

  const workFor =
    <T>(ms: number, result?: T) =>
    () => {
      now += ms;
      return result;
    };

  it('keeps the longest hold', () => {
    const holds = new HoldMeter();
    expect(holds.longestMs).toBe(0);
    for (const ms of [5, 30, 6]) holds.time(workFor(ms));
    expect(holds.longestMs).toBe(30);
    holds.note(31);
    holds.note(29);
    expect(holds.longestMs).toBe(31);
  });

  it('returns what the work returns', () => {
    expect(new HoldMeter().time(workFor(1, 'done'))).toBe('done');
  });

  it('throws what the work throws, and notes how long it took', () => {
    const holds = new HoldMeter();
    expect(() =>
      holds.time(() => {
        now += 20;
        throw new Error('broken');
      }),
    ).toThrow('broken');
    expect(holds.longestMs).toBe(20);
  });
});
