import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { CpuClockReader, nowMicros } from './cpu-readings.js';
import type { ThreadClock } from './thread-clock.js';

/** Goes on by one with each reading. */
function countingClock(): ThreadClock & { readings: number } {
  return {
    readings: 0,
    read() {
      return ++this.readings;
    },
    close() {},
  };
}

/** Waits until a clock was read so often: no time is promised, only that it goes on. */
async function read(clock: { readings: number }, times: number): Promise<void> {
  while (clock.readings < times) await setTimeout(1);
}

describe('CpuClockReader', () => {
  it('reads when it is made, again and again, and when it is stopped', async () => {
    const clock = countingClock();
    const begin = nowMicros();
    const reader = new CpuClockReader(clock);
    expect(reader.cpuNanos).toEqual([1]);
    await read(clock, 4);
    const before = clock.readings;
    reader.stop();
    const end = nowMicros();
    expect(reader.cpuNanos).toEqual(Array.from({ length: before + 1 }, (_, i) => i + 1));
    expect(reader.micros).toHaveLength(before + 1);
    expect(reader.micros).toEqual(reader.micros.toSorted((a, b) => a - b));
    expect(reader.micros[0]).toBeGreaterThanOrEqual(begin);
    expect(reader.micros.at(-1)).toBeLessThanOrEqual(end);
  });

  it('does not read after it was stopped', async () => {
    const [stopped, running] = [countingClock(), countingClock()];
    const reader = new CpuClockReader(stopped);
    const other = new CpuClockReader(running);
    reader.stop();
    const { readings } = stopped;
    await read(running, 3);
    other.stop();
    expect(stopped.readings).toBe(readings);
  });

  it('keeps no process alive', () => {
    const before = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const reader = new CpuClockReader(countingClock());
    const during = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    reader.stop();
    expect(during).toBe(before);
  });
});
