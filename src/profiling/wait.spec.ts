import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { wait } from './wait.js';

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

  it('ends at once where a signal is aborted already, and leaves no timer', async () => {
    await wait(60_000, AbortSignal.abort());
    expect(jest.getTimerCount()).toBe(0);
  });
});
