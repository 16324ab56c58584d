import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { countTurns } from '../../test/support/async.js';
import { HoldMeter, runSliced, wait } from './loop.js';

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
    const loop = countTurns();
    const turns: number[] = [];
    const holds = new HoldMeter();
    await runSliced(
      work(40, 1, () => turns.push(loop.turns)),
      holds,
    );
    loop.stop();
    expect(holds.longestMs).toBe(4);
    expect(new Set(turns).size).toBe(10);
  });

  it('lets the event loop turn between two pieces of work in a row', async () => {
    const loop = countTurns();
    const turns: number[] = [];
    for (let i = 0; i < 5; i++)
      await runSliced(
        work(1, 1, () => turns.push(loop.turns)),
        new HoldMeter(),
      );
    loop.stop();
    expect(new Set(turns).size).toBe(5);
  });

  it('rejects with what the work throws', async () => {
    // oxlint-disable-next-line require-yield
    const failing = (function* (): Generator<void, void> {
      throw new Error('broken');
    })();
    await expect(runSliced(failing, new HoldMeter())).rejects.toThrow('broken');
  });
});

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

describe('wait', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it('ends when its time is up, not before', async () => {
    const ended = jest.fn();
    const waiting = wait(20).then(ended);
    await jest.advanceTimersByTimeAsync(19);
    expect(ended).not.toHaveBeenCalled();
    await jest.advanceTimersByTimeAsync(1);
    expect(ended).toHaveBeenCalled();
    await waiting;
  });

  it('ends when any of its signals is aborted, and leaves neither listener nor timer', async () => {
    const first = new AbortController();
    const second = new AbortController();
    const waiting = wait(60_000, first.signal, undefined, second.signal);
    second.abort();
    await waiting;
    expect([first, second].flatMap(({ signal }) => getEventListeners(signal, 'abort'))).toEqual([]);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('ends at once where a signal is aborted already, and leaves neither listener nor timer', async () => {
    const other = new AbortController();
    await wait(60_000, AbortSignal.abort(), other.signal);
    expect(getEventListeners(other.signal, 'abort')).toEqual([]);
    expect(jest.getTimerCount()).toBe(0);
  });
});
