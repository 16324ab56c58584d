import { describe, expect, it } from '@jest/globals';
import { namedFrame, type RawFrame } from '../sampling/sampler.js';
import { DelayTotals } from './delay-totals.js';

const stack = (name: string): readonly RawFrame[] => [namedFrame(name)];

describe('DelayTotals', () => {
  it('adds up by stack', () => {
    const totals = new DelayTotals();
    const [find, save] = [stack('find'), stack('save')];
    totals.add(find, 1, 500);
    totals.add(save, 16, 16_000);
    totals.add(find, 2, 250);
    expect([...totals.stacks()]).toEqual([
      { stack: find, values: [3, 750] },
      { stack: save, values: [16, 16_000] },
    ]);
  });

  it('is bounded: what comes later is under one frame, and nothing is lost', () => {
    const totals = new DelayTotals();
    const first = stack('f0');
    totals.add(first, 1, 10);
    for (let i = 1; i < 20_100; i++) totals.add(stack(`f${i}`), 1, 10);
    totals.add(first, 1, 10);
    const all = [...totals.stacks()];
    expect(all.length).toBe(20_001);
    expect(all[0]).toEqual({ stack: first, values: [2, 20] });
    expect(all.at(-1)).toMatchObject({ stack: [{ functionName: '(other stacks)' }], values: [100, 1000] });
  });
});
