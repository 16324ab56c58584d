import { getEventListeners } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { wait } from './wait.js';

const timers = (): number => process.getActiveResourcesInfo().filter((type) => type === 'Timeout').length;

describe('wait', () => {
  it('ends when its time is up', async () => {
    const before = performance.now();
    await wait(20);
    expect(performance.now() - before).toBeGreaterThanOrEqual(19);
  });

  it('ends when any of its signals is aborted, and leaves no listener behind', async () => {
    const first = new AbortController();
    const second = new AbortController();
    const waiting = wait(60_000, first.signal, undefined, second.signal);
    second.abort();
    await waiting;
    expect(getEventListeners(first.signal, 'abort')).toHaveLength(0);
  });

  it('ends at once where a signal is aborted already, and leaves no timer behind', async () => {
    const before = timers();
    await wait(60_000, AbortSignal.abort());
    expect(timers()).toBe(before);
  });
});
