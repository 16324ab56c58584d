import { describe, expect, it } from '@jest/globals';
import { ProfilerArgumentError } from './errors.js';
import { RateSwitch } from './rate-switch.js';

function switched(): { rate: RateSwitch; applied: number[] } {
  const applied: number[] = [];
  const rule = {
    option: 'blockProfileRate',
    setter: 'setBlockProfileRate',
    meaning: (rate: number) => `one wait in ${rate}`,
    windowRate: 1,
    inWindow: 'every wait',
  } as const;
  return { rate: new RateSwitch(rule, (now) => applied.push(now)), applied };
}

const OFF =
  'off: set the option blockProfileRate or call profiler.setBlockProfileRate(n); seconds=N switches it on for the window (every wait)';

describe('a profile with a rate', () => {
  it('is off until a rate is set, and says how to set it', () => {
    const { rate, applied } = switched();
    expect([rate.now, rate.status, applied]).toEqual([0, OFF, []]);
    expect(rate.set(16)).toBe(0);
    expect([rate.now, rate.status]).toEqual([16, 'on: one wait in 16']);
    expect(rate.set(0)).toBe(16);
    expect([rate.status, applied]).toEqual([OFF, [16, 0]]);
  });

  it('is on while a window is open, until the last one is closed', () => {
    const { rate, applied } = switched();
    const closes = [rate.open(), rate.open()];
    expect([rate.now, rate.status]).toEqual([1, 'on: one wait in 1']);
    closes[0]!();
    closes[0]!();
    expect(applied).toEqual([1]);
    closes[1]!();
    expect(applied).toEqual([1, 0]);
  });

  it('keeps the rate that was set while windows come and go', () => {
    const { rate, applied } = switched();
    rate.set(16);
    const close = rate.open();
    expect(rate.set(16)).toBe(16);
    close();
    expect(applied).toEqual([16]);
  });

  it.each([-1, 1.5, NaN, Infinity, '1', null])('rejects the rate %p and keeps the old one', (value) => {
    const { rate, applied } = switched();
    rate.set(2);
    expect(() => rate.set(value as number)).toThrow(ProfilerArgumentError);
    expect(() => rate.set(value as number)).toThrow(
      /^invalid rate .* for blockProfileRate: expected a whole number n/,
    );
    expect([rate.now, applied]).toEqual([2, [2]]);
  });

  it('stays off when it has ended, whatever is still open', () => {
    const { rate, applied } = switched();
    rate.set(2);
    const close = rate.open();
    rate.end();
    close();
    rate.set(3);
    rate.open();
    expect([rate.now, applied]).toEqual([0, [2, 0]]);
  });
});
