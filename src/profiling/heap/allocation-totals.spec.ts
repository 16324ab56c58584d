import { describe, expect, it } from '@jest/globals';
import { finished } from '../../format/finished.js';
import { type Profile, samplesOf } from '../../format/profile.js';
import { HoldMeter } from '../loop.js';
import { buildStackProfile, NO_TREE } from '../frames/frame-resolver.js';
import { AllocationTotals, MAX_STACKS, OTHER_STACKS } from './allocation-totals.js';

const HEADER = {
  sampleTypes: ['alloc_objects', 'alloc_space', 'inuse_objects', 'inuse_space'].map((type) => ({
    type,
    unit: 'count',
  })),
  defaultSampleType: '',
  periodType: { type: 'space', unit: 'bytes' },
  period: 1,
  timeNanos: 1n,
  durationNanos: 0,
  comments: [],
};

type Values = readonly number[];

/** A reading: values by the name of their one frame. */
const reading = (samples: Record<string, Values>): Promise<Profile> => {
  const stacks = Object.entries(samples).map(([name, values]) => ({ at: [name], values }));
  return Promise.resolve(finished(buildStackProfile(HEADER, NO_TREE, [], stacks)));
};

const valuesOf = (profile: Profile): Record<string, Values> =>
  Object.fromEntries(Array.from(samplesOf(profile), ({ stack, values }) => [stack[0]!.name, values]));

function totals(): (samples: Record<string, Values>) => Promise<Record<string, Values>> {
  const all = new AllocationTotals();
  return async (samples) => valuesOf(await all.add(reading(samples), new HoldMeter()));
}

/** One new object of 10 bytes at each of so many stacks. */
const distinct = (count: number, from = 0): Record<string, Values> =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`f${from + i}`, [1, 10, 0, 0]]));

describe('AllocationTotals', () => {
  it('adds up what readings find new, and shows what the last one finds in use', async () => {
    const add = totals();
    expect(await add({ a: [2, 20, 2, 20], b: [1, 5, 1, 5] })).toEqual({
      a: [2, 20, 2, 20],
      b: [1, 5, 1, 5],
    });
    expect(await add({ a: [3, 30, 1, 10] })).toEqual({ a: [5, 50, 1, 10], b: [1, 5, 0, 0] });
  });

  it('adds readings in the order of the calls, whichever is ready first', async () => {
    const all = new AllocationTotals();
    let ready!: (profile: Profile) => void;
    const first = all.add(new Promise((resolve) => (ready = resolve)), new HoldMeter());
    const second = all.add(reading({ a: [1, 1, 0, 0] }), new HoldMeter());
    ready(await reading({ a: [10, 10, 0, 0] }));
    expect(valuesOf(await first)).toEqual({ a: [10, 10, 0, 0] });
    expect(valuesOf(await second)).toEqual({ a: [11, 11, 0, 0] });
  });

  it('keeps what it has counted when a reading fails', async () => {
    const all = new AllocationTotals();
    await all.add(reading({ a: [1, 10, 0, 0] }), new HoldMeter());
    await expect(all.add(Promise.reject(new Error('no')), new HoldMeter())).rejects.toThrow('no');
    const sum = await all.add(reading({ a: [1, 10, 0, 0] }), new HoldMeter());
    expect(valuesOf(sum)).toEqual({ a: [2, 20, 0, 0] });
  });

  it('counts stacks beyond its limit together, so that no stack ever falls', async () => {
    const add = totals();
    await add(distinct(MAX_STACKS));
    const second = await add({ ...distinct(5, MAX_STACKS), f7: [1, 10, 0, 0] });
    expect(Object.keys(second)).toHaveLength(MAX_STACKS + 1);
    expect(second[OTHER_STACKS]).toEqual([5, 50, 0, 0]);
    expect(second.f7).toEqual([2, 20, 0, 0]);
    const third = await add(distinct(5, MAX_STACKS));
    expect(third[OTHER_STACKS]).toEqual([10, 100, 0, 0]);
    expect(third.f7).toEqual([2, 20, 0, 0]);
    // What is in use there is shown there.
    const fourth = await add({ late: [1, 10, 1, 10] });
    expect([fourth.late, fourth[OTHER_STACKS]]).toEqual([
      [0, 0, 1, 10],
      [11, 110, 0, 0],
    ]);
  });
});
