import { setTimeout as passed } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { nowMicros } from './cpu-readings.js';
import { Heartbeat, type Hold } from './heartbeat.js';
import { processCpuNanos } from './thread-clock.js';

const PERIOD = 5;

let heartbeat: Heartbeat | undefined;
afterEach(() => heartbeat?.stop());

function start(): Hold[] {
  const holds: Hold[] = [];
  heartbeat = new Heartbeat(PERIOD, (hold) => holds.push(hold));
  return holds;
}

/** In CPU time of the process: the machine may have more to do. */
function hold(ms: number): void {
  for (const until = processCpuNanos() + ms * 1e6; processCpuNanos() < until;);
}

const longest = (holds: readonly Hold[]): Hold =>
  holds.reduce((most, one) => (one.lateMicros > most.lateMicros ? one : most));

describe('Heartbeat', () => {
  it('tells from when until when the loop was held', async () => {
    const holds = start();
    await passed(20);
    const begin = nowMicros();
    hold(80);
    const end = nowMicros();
    await passed(1);
    const { beginMicros, endMicros, lateMicros } = longest(holds);
    expect(beginMicros).toBeLessThanOrEqual(begin);
    expect(endMicros).toBeGreaterThanOrEqual(end);
    expect(lateMicros).toBeGreaterThan(30_000);
    expect(lateMicros).toBeLessThanOrEqual(endMicros - beginMicros);
  });

  it('does not take for a hold what the loop spent waiting', async () => {
    const holds = start();
    await passed(300);
    expect(holds.length).toBeGreaterThan(1);
    expect(longest(holds).lateMicros).toBeLessThan(200_000);
  });

  it('beats out of turn, for what ended just now, and tells of it once', async () => {
    const holds = start();
    await passed(20);
    hold(300);
    heartbeat!.beat();
    const told = holds.length;
    expect(holds[told - 1]!.lateMicros).toBeGreaterThan(200_000);
    await passed(20);
    expect(holds.slice(told).every(({ lateMicros }) => lateMicros < 200_000)).toBe(true);
  });

  it('leaves out what is done apart', async () => {
    const holds = start();
    await passed(20);
    heartbeat!.apart(() => hold(300));
    await passed(1);
    expect(longest(holds).lateMicros).toBeLessThan(200_000);
  });

  it('is silent after it was stopped', async () => {
    const holds = start();
    await passed(20);
    heartbeat!.stop();
    heartbeat = undefined;
    const told = holds.length;
    await passed(20);
    expect(holds).toHaveLength(told);
  });
});
