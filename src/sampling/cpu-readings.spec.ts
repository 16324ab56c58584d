import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { CpuClockReader } from './cpu-readings.js';
import type { ThreadClock } from './thread-clock.js';

/** Advances by one with each reading. */
function countingClock(): ThreadClock {
  let readings = 0;
  return { read: () => ++readings, close() {} };
}

/** Timers that keep the process alive. */
const timeouts = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

describe('CpuClockReader', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it('reads the clock when it is made, every 10 ms, and when it is stopped', () => {
    const reader = new CpuClockReader(countingClock());
    jest.advanceTimersByTime(25);
    reader.stop();
    expect(reader.cpuNanos).toEqual([1, 2, 3, 4]);
    expect(reader.micros.map((micros) => micros - reader.micros[0]!)).toEqual([0, 10_000, 20_000, 25_000]);
  });

  it('does not read after it was stopped, and leaves no timer', () => {
    const reader = new CpuClockReader(countingClock());
    reader.stop();
    reader.stop();
    expect(jest.getTimerCount()).toBe(0);
    jest.advanceTimersByTime(100);
    expect(reader.cpuNanos).toEqual([1, 2]);
  });

  it('leaves out what the clock advanced during work that is excluded, and reads no clock after it was stopped', () => {
    const reader = new CpuClockReader(countingClock());
    let calls = 0;
    const work = (): number => ++calls;
    reader.exclude(work); // from 2 to 3
    jest.advanceTimersByTime(10);
    reader.stop();
    reader.exclude(work);
    expect([calls, reader.cpuNanos]).toEqual([2, [1, 3, 4]]);
  });

  it('keeps no process alive', () => {
    jest.useRealTimers();
    const before = timeouts();
    const reader = new CpuClockReader(countingClock());
    const during = timeouts();
    reader.stop();
    expect(during).toBe(before);
  });
});
