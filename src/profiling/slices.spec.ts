import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { HoldMeter } from './hold-meter.js';
import { runSliced } from './slices.js';

describe('runSliced', () => {
  let now = 0;
  beforeEach(() => void jest.spyOn(performance, 'now').mockImplementation(() => now));
  afterEach(() => void jest.restoreAllMocks());

  /** @param turns told at each piece how often the event loop has turned */
  function* work(pieces: number, ms: number, turns: () => void = () => {}): Generator<void, string> {
    for (let i = 0; i < pieces; i++) {
      now += ms;
      turns();
      yield;
    }
    return 'done';
  }

  it('returns the result of the work', async () => {
    await expect(runSliced(work(3, 0), new HoldMeter())).resolves.toBe('done');
  });

  it('holds the event loop for 4 ms at a time, and lets it turn in between', async () => {
    let turn = 0;
    const count = (): void => {
      turn++;
      next = setImmediate(count);
    };
    let next = setImmediate(count);
    const turns: number[] = [];
    const holds = new HoldMeter();
    await runSliced(
      work(40, 1, () => turns.push(turn)),
      holds,
    );
    clearImmediate(next);
    expect(holds.longestMs).toBe(4);
    expect(new Set(turns).size).toBe(10);
  });

  it('rejects with what the work throws', async () => {
    // oxlint-disable-next-line require-yield
    const failing = (function* (): Generator<void, void> {
      throw new Error('broken');
    })();
    await expect(runSliced(failing, new HoldMeter())).rejects.toThrow('broken');
  });
});
