import { describe, expect, it } from '@jest/globals';
import { HoldFinder } from './hold-finder.js';

const MS = 1000;

/** A loop: how long it has waited and worked since the last beat, and of that waited for a CPU, in ms. */
type Span = readonly [idle: number, worked: number, delayed?: number];

const START = { micros: 0, idleMicros: 0, waits: 0, cpuMicros: 0, delayedMicros: 0 };

/** The holds that beats after such spans find, in ms; and when the next beat is due. */
function found(thresholdMs: number, spans: readonly Span[]): { holds: number[]; everyMs: number[] } {
  let now = { ...START, micros: 7e9, idleMicros: 3e9 };
  const finder = new HoldFinder(thresholdMs, now);
  const holds: number[] = [];
  const everyMs = spans.map(([idle, worked, delayed = 0]) => {
    const { micros, idleMicros, delayedMicros } = now;
    now = {
      ...now,
      micros: micros + (idle + worked) * MS,
      idleMicros: idleMicros + idle * MS,
      delayedMicros: delayedMicros + delayed * MS,
    };
    const hold = finder.beat(now);
    if (hold) holds.push((hold.endMicros - hold.beginMicros) / MS);
    return finder.everyMs;
  });
  return { holds, everyMs };
}

/** Beats on time. */
const IDLE: Span = [25, 0];
const BUSY: Span = [0, 5];

describe('a hold of the event loop', () => {
  it('of a loop that waits otherwise has its exact length, whenever it begins', () => {
    for (const idle of [0, 1, 12, 24.9]) expect(found(50, [[5, 0], IDLE, [idle, 60]]).holds).toEqual([60]);
  });

  it('of a loop that works otherwise is what the beat comes late', () => {
    expect(found(50, [BUSY, [0, 5 + 60]]).holds).toEqual([60]);
  });

  it('of a loop that works half of the time excludes half of the time between ticks', () => {
    expect(found(50, [[2.5, 2.5], BUSY, [2.5, 2.5], [0, 62.5]]).holds).toEqual([60]);
  });

  it('is longer than the threshold', () => {
    expect(found(50, [[5, 0], [0, 50.5], BUSY, [0, 55]]).holds).toEqual([50.5]);
  });

  it('ends when the beat comes, and has what threads did since the beat before', () => {
    const finder = new HoldFinder(50, START);
    const begin = { micros: 5 * MS, idleMicros: 5 * MS, waits: 10, cpuMicros: 1 * MS, delayedMicros: 2 * MS };
    finder.beat(begin);
    const end = { ...begin, micros: 105 * MS, waits: 17, cpuMicros: 51 * MS, delayedMicros: 12 * MS };
    expect(finder.beat(end)).toEqual({
      beginMicros: 5 * MS,
      endMicros: 105 * MS,
      waits: 7,
      awayMicros: 40 * MS,
    });
  });

  it('is not reported if the process was stopped while it waited', () => {
    expect(found(50, [IDLE, [10_000, 20]]).holds).toEqual([]);
    expect(found(50, [IDLE, [10_000, 60]]).holds).toEqual([60]);
  });

  it('is not reported for waiting for a CPU only, but includes that time otherwise', () => {
    expect(found(50, [IDLE, [10, 70, 20]]).holds).toEqual([]);
    expect(found(50, [IDLE, [10, 70, 19]]).holds).toEqual([70]);
  });
});

describe('the beat of a watch', () => {
  it.each([
    [10, 5, 5],
    [50, 5, 25],
    [100, 10, 50],
    [500, 50, 100],
    [60_000, 100, 100],
  ])('for a threshold of %d ms comes every %d ms, and every %d ms in a loop that waits', (ms, busy, idle) => {
    expect(found(ms, [BUSY, IDLE, [25, 2], [20, 5]]).everyMs).toEqual([busy, idle, idle, busy]);
  });
});
