import { describe, expect, it } from '@jest/globals';
import type { CapturedProfile } from './captured-profile.js';
import type { ProfileWindow } from './profiles/named-profile.js';
import { RateSwitch, windowWith } from './rate-switch.js';

function made(own: number): { rate: RateSwitch; applied: number[] } {
  const applied: number[] = [];
  return { rate: new RateSwitch(own, 1, (every) => applied.push(every)), applied };
}

const window = (): ProfileWindow => ({
  end: async () => ({}) as CapturedProfile,
  close: () => {},
});

describe('RateSwitch', () => {
  it('is off at 0, and on from its begin at any other', () => {
    expect(made(0).applied).toEqual([]);
    expect(made(16).applied).toEqual([16]);
  });

  it('switches over with changes only, and returns the old rate', () => {
    const { rate, applied } = made(0);
    expect([rate.set(16), rate.set(16), rate.set(4), rate.set(0), rate.rate]).toEqual([0, 16, 16, 4, 0]);
    expect(applied).toEqual([16, 4, 0]);
  });

  it('is on while somebody needs it, whoever is first or last', () => {
    const { rate, applied } = made(0);
    const [first, second] = [rate.need(), rate.need()];
    expect([rate.rate, rate.inForce]).toEqual([0, 1]);
    first();
    first(); // and no more than that
    expect(rate.inForce).toBe(1);
    second();
    expect([rate.inForce, applied]).toEqual([0, [1, 0]]);
  });

  it('keeps to the user’s own rate, also while somebody needs it', () => {
    const { rate, applied } = made(16);
    const release = rate.need();
    rate.set(0);
    expect(rate.inForce).toBe(1);
    rate.set(8);
    release();
    expect(applied).toEqual([16, 1, 8]);
  });

  it('is off for good at its end', () => {
    const { rate, applied } = made(16);
    const release = rate.need();
    rate.end();
    rate.set(4);
    rate.need();
    release();
    expect(applied).toEqual([16, 0]);
  });
});

describe('a window for which something is switched on', () => {
  it.each<[string, (window: ProfileWindow) => unknown]>([
    ['its end', (opened) => opened.end()],
    ['when it is given up', (opened) => opened.close()],
  ])('lasts until %s', async (_, end) => {
    const { rate } = made(0);
    const opened = await windowWith(rate, async () => {
      expect(rate.inForce).toBe(1);
      return window();
    });
    expect(rate.inForce).toBe(1);
    await end(opened);
    expect(rate.inForce).toBe(0);
  });

  it.each<[string, () => Promise<ProfileWindow>]>([
    ['it cannot be opened', () => Promise.reject(new Error('no window'))],
    ['its end fails', async () => ({ ...window(), end: () => Promise.reject(new Error('no window')) })],
  ])('is switched off where %s', async (_, open) => {
    const { rate } = made(0);
    await expect(windowWith(rate, open).then((opened) => opened.end())).rejects.toThrow('no window');
    expect(rate.inForce).toBe(0);
  });
});
