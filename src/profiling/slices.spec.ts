import { describe, expect, it } from '@jest/globals';
import { HoldMeter } from './hold-meter.js';
import { runSliced } from './slices.js';

function* work(pieces: number, ms: number): Generator<void, string> {
  for (let i = 0; i < pieces; i++) {
    const until = performance.now() + ms;
    while (performance.now() < until);
    yield;
  }
  return 'done';
}

describe('runSliced', () => {
  it('gives the result of the work', async () => {
    await expect(runSliced(work(3, 0), new HoldMeter())).resolves.toBe('done');
  });

  it('lets the event loop turn in between', async () => {
    let turns = 0;
    const turn = setInterval(() => turns++, 0);
    await runSliced(work(40, 1), new HoldMeter());
    clearInterval(turn);
    expect(turns).toBeGreaterThan(2);
  });

  it('lets it turn between works that follow one another, too', async () => {
    let turns = 0;
    const turn = setInterval(() => turns++, 0);
    for (let i = 0; i < 40; i++) await runSliced(work(1, 1), new HoldMeter());
    clearInterval(turn);
    expect(turns).toBeGreaterThan(2);
  });

  it('passes on what the work throws', async () => {
    // oxlint-disable-next-line require-yield
    const failing = (function* (): Generator<void, void> {
      throw new Error('broken');
    })();
    await expect(runSliced(failing, new HoldMeter())).rejects.toThrow('broken');
  });
});
