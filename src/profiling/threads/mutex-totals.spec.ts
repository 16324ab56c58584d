import { describe, expect, it } from '@jest/globals';
import type { HoldShare, RawFrame } from '../../sampling/sampler.js';
import { MAX_STACKS, OTHER_STACKS } from '../heap/allocation-totals.js';
import { MutexTotals } from './mutex-totals.js';

const frame = (functionName: string): RawFrame => ({
  functionName,
  url: 'file:///app/main.js',
  scriptId: 7,
  functionLine: 1,
  functionColumn: 1,
  line: 1,
});

/** Of a hold, by stacks such as `main parse`. */
const shares = (micros: Record<string, number>): HoldShare[] =>
  Object.entries(micros).map(([names, micros]) => ({ stack: names.split(' ').map(frame), micros }));

/** Contentions and nanoseconds by stacks. */
function valuesOf(totals: MutexTotals): Record<string, readonly number[]> {
  const { tree, stacks } = totals.read();
  const nameOf = (node: number): string => {
    const parent = tree.parentOf[node]!;
    const { functionName } = tree.frames[tree.frameOf[node]!]!;
    return parent < 0 ? functionName : `${nameOf(parent)} ${functionName}`;
  };
  const named = stacks.map(
    ({ at, values }) => [typeof at === 'number' ? nameOf(at) : at[0], values] as const,
  );
  return Object.fromEntries(named.filter(([, values]) => values.some((value) => value > 0)));
}

describe('MutexTotals', () => {
  it('counts a hold once, at the stack that has most of it, and shares its delay', () => {
    const totals = new MutexTotals();
    totals.add(shares({ main: 20_000, 'main parse': 70_000, '(garbage collector)': 10_000 }));
    totals.add(shares({ main: 30_000, 'main parse': 30_000 }));
    expect(valuesOf(totals)).toEqual({
      main: [1, 50e6],
      'main parse': [1, 100e6],
      '(garbage collector)': [0, 10e6],
    });
  });

  it('has whole nanoseconds, whose sum is that of the holds', () => {
    const totals = new MutexTotals();
    const third = 100 / 3;
    for (let i = 0; i < 1000; i++) totals.add(shares({ a: third, b: third, c: third }));
    const nanos = Object.values(valuesOf(totals)).map(([, delay]) => delay!);
    expect(nanos.every(Number.isInteger)).toBe(true);
    expect(nanos.reduce((sum, delay) => sum + delay)).toBe(1000 * 100_000);
  });

  it('does not change what was read', () => {
    const totals = new MutexTotals();
    totals.add(shares({ main: 20 }));
    const { tree, stacks } = totals.read();
    totals.add(shares({ main: 20, 'main parse': 70 }));
    expect(tree.frames).toHaveLength(1);
    expect(stacks[0]).toEqual({ at: 0, values: [1, 20_000] });
  });

  it(`has ${MAX_STACKS} stacks, and counts others together from then on`, () => {
    const totals = new MutexTotals();
    for (let i = 0; i < MAX_STACKS; i++) totals.add(shares({ [`main f${i}`]: 10 }));
    expect(totals.isFull).toBe(false);
    totals.add(shares({ 'main f1': 10, main: 1, 'main new': 2, 'new f1': 3 }));
    totals.add(shares({ 'another f1': 10 }));
    expect(totals.isFull).toBe(true);
    const { [OTHER_STACKS]: others, 'main f1': known, ...rest } = valuesOf(totals);
    expect(others).toEqual([1, 16_000]);
    expect(known).toEqual([2, 20_000]);
    expect(Object.keys(rest)).toHaveLength(MAX_STACKS - 1);
    expect(totals.read().tree.frames).toHaveLength(MAX_STACKS + 1);
  });
});
