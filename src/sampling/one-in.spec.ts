import { describe, expect, it } from '@jest/globals';
import { OneIn } from './one-in.js';

const picks = (oneIn: OneIn, count: number): number[] =>
  Array.from({ length: count }, (_, i) => (oneIn.next() ? [i] : [])).flat();

describe('OneIn', () => {
  it('picks all at 1', () => {
    expect(picks(new OneIn(1), 5)).toEqual([0, 1, 2, 3, 4]);
  });

  it.each([2, 16, 1000])('picks one of each %d', (every) => {
    const runs = picks(new OneIn(every), 50 * every).map((i) => Math.floor(i / every));
    expect(runs).toEqual(Array.from({ length: 50 }, (_, run) => run));
  });

  it('picks each of a run as often as any other: no rhythm keeps step with it', () => {
    const counts = [0, 0, 0, 0];
    for (const i of picks(new OneIn(4), 40_000)) counts[i % 4]!++;
    for (const count of counts) expect(Math.abs(count - 2500)).toBeLessThan(300); // seven standard deviations
  });
});
