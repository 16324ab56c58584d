import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { describeGo, goPprof } from '../../test/support/go.js';
import {
  CONTENTION,
  fileOf,
  goPprofProto,
  HEAP,
  type MadeUpSample,
  madeUpProfile,
} from '../../test/support/made-up-profile.js';
import { finished } from './finished.js';
import { compact, merge, scale } from './merge.js';
import { type Profile, samplesOf } from './profile.js';

fc.configureGlobal({ seed: 1 }); // the same cases in every run

const merged = (...profiles: Profile[]): Profile => finished(merge(profiles));
const negative = (profile: Profile): Profile => finished(scale(profile, -1));
const valuesOf = (profile: Profile): number[] => [...profile.samples.values];
const profileOf = (samples: Iterable<MadeUpSample>): Profile => madeUpProfile(CONTENTION, samples);

const anySamples = fc.array(
  fc.record({
    stack: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 3 }),
    values: fc.tuple(fc.integer({ min: -2, max: 2 }), fc.integer({ min: -2, max: 2 })),
    labels: fc.oneof(
      fc.constant({}),
      fc.record({ bytes: fc.nat(2) }),
      fc.record({ route: fc.constant('/') }),
    ),
  }),
  { maxLength: 12 },
);
const anyProfile = anySamples.map(profileOf);

/** What identifies a sample, and its values. */
function rowsOf(profile: Profile): [string, readonly number[]][] {
  return Array.from(samplesOf(profile), ({ stack, values, labels }) => [
    JSON.stringify([stack, labels]),
    values,
  ]);
}

/** The same by the rules, in a simpler way: sums by identity, in order of appearance, without what is 0. */
function expectedRows(profiles: readonly Profile[]): [string, readonly number[]][] {
  const sums = new Map<string, readonly number[]>();
  for (const [key, values] of profiles.flatMap(rowsOf)) {
    if (!values.some(Boolean)) continue;
    const sum = sums.get(key);
    sums.set(key, sum ? values.map((value, i) => value + sum[i]!) : values);
  }
  return [...sums].filter(([, values]) => values.some(Boolean));
}

describe('merge', () => {
  it('adds up samples with the same stack and labels in order of appearance, and drops those that are 0', () => {
    fc.assert(
      fc.property(fc.array(anyProfile, { minLength: 1, maxLength: 4 }), (profiles) => {
        expect(rowsOf(merged(...profiles))).toEqual(expectedRows(profiles));
      }),
    );
  });

  it('of a profile and its negative is empty and keeps the types', () => {
    fc.assert(
      fc.property(anyProfile, (profile) => {
        const nothing = merged(profile, negative(profile));
        expect([nothing.samples.length, nothing.locations.length, nothing.functions.length]).toEqual([
          0, 0, 0,
        ]);
        expect([nothing.strings, nothing.labelSets.length]).toEqual([[''], 1]);
        expect(nothing).toMatchObject({
          sampleTypes: CONTENTION.sampleTypes,
          periodType: CONTENTION.periodType,
          program: '/app/main.js',
        });
      }),
    );
  });

  it('gives the same sums in whatever order profiles are added', () => {
    fc.assert(
      fc.property(anyProfile, anyProfile, anyProfile, (a, b, c) => {
        const sums = new Map(rowsOf(merged(merged(a, b), c)));
        expect(new Map(rowsOf(merged(a, merged(b, c))))).toEqual(sums);
        expect(new Map(rowsOf(merged(c, b, a)))).toEqual(sums);
      }),
    );
  });

  it('numbers locations, functions and strings in the order in which its samples refer to them', () => {
    fc.assert(
      fc.property(anyProfile, anyProfile, (a, b) => {
        const { samples, locations, functions, strings } = merged(negative(a), b);
        expect([...new Set(samples.stack)]).toEqual([...locations.function.keys()]);
        expect([...new Set(locations.function)]).toEqual([...functions.name.keys()]);
        expect(strings.filter((text) => text.startsWith('f'))).toEqual(
          Array.from(functions.name, (name) => strings[name]),
        );
      }),
    );
  });

  it('takes what has the same address for the same location, whatever its name', () => {
    const named = ['a', 'b'].map((name) =>
      madeUpProfile(CONTENTION, [{ stack: [7], values: [1, 1] }], () => name),
    );
    expect([...samplesOf(merged(...named))]).toMatchObject([{ stack: [{ name: 'a' }], values: [2, 2] }]);
  });

  it('keeps all that is known of a location', () => {
    const profile = profileOf([
      { stack: [2 ** 53 - 1, 7], values: [1, 2], labels: { route: '/', bytes: 16 } },
    ]);
    expect(merged(profile)).toEqual(profile);
  });

  it('has the longest period, the earliest time, all of the durations, the first default type, each comment once', () => {
    const profiles = [
      { timeNanos: 0n, period: 1, durationNanos: 5, comments: ['a', 'b'] },
      { timeNanos: 9n, period: 3, durationNanos: 6, comments: ['b', 'c'], defaultSampleType: 'delay' },
      { timeNanos: 8n, period: 2, defaultSampleType: 'contentions' },
    ].map((header) => ({ ...profileOf([]), ...header }));
    expect(merged(...profiles)).toMatchObject({
      timeNanos: 8n,
      period: 3,
      durationNanos: 11,
      comments: ['a', 'b', 'c'],
      defaultSampleType: 'delay',
    });
  });

  it('throws on profiles of other types, and on none', () => {
    const delays = profileOf([]);
    const [first, second] = CONTENTION.sampleTypes;
    expect(() => merged(delays, { ...delays, sampleTypes: [second!, first!] })).toThrow(
      'incompatible sample types: contentions/count, delay/nanoseconds and delay/nanoseconds, contentions/count',
    );
    expect(() => merged(delays, { ...delays, sampleTypes: [first!] })).toThrow('incompatible sample types');
    expect(() => merged(delays, { ...delays, periodType: second! })).toThrow(
      'incompatible period types: contentions/count and delay/nanoseconds',
    );
    expect(() => merged()).toThrow('no profiles to merge');
  });

  it('yields at least every 20 samples', () => {
    const many = profileOf(Array.from({ length: 2000 }, (_, i) => ({ stack: [i + 1], values: [1, 1] })));
    expect([...merge([many, many])].length).toBeGreaterThan(200);
  });
});

describe('scale', () => {
  it('multiplies by one factor, or by one for each sample type', () => {
    const profile = profileOf([{ stack: [1], values: [3, 5] }]);
    expect(valuesOf(finished(scale(profile, -2)))).toEqual([-6, -10]);
    expect(valuesOf(finished(scale(profile, [10, 0])))).toEqual([30, 0]);
    expect(() => finished(scale(profile, [1]))).toThrow('1 factors for 2 sample types');
  });

  it('rounds half away from zero, as Go does, and leaves its argument as it is', () => {
    const profile = profileOf([{ stack: [1], values: [5, -5] }]);
    expect(valuesOf(finished(scale(profile, 0.5)))).toEqual([3, -3]);
    expect(valuesOf(finished(scale(profile, -0.01)))).toEqual([0, 0]);
    expect(valuesOf(profile)).toEqual([5, -5]);
  });
});

describe('compact', () => {
  it('drops samples that are 0 with what only they refer to, and done twice changes nothing', () => {
    fc.assert(
      fc.property(anyProfile, (profile) => {
        const once = finished(compact(profile));
        expect(rowsOf(once)).toEqual(expectedRows([profile]));
        expect(finished(compact(once))).toEqual(once);
      }),
    );
  });
});

describeGo('go tool pprof', () => {
  const before = madeUpProfile(HEAP, [
    { stack: [1, 2], values: [4, 400, 4, 400], labels: { bytes: 100 } },
    { stack: [3, 2], values: [1, 64, 1, 64], labels: { bytes: 64 } },
    { stack: [4], values: [2, 16, 2, 16], labels: { bytes: 8 } },
  ]);
  const after = madeUpProfile(HEAP, [
    { stack: [5, 2], values: [9, 90, 9, 90], labels: { bytes: 10 } },
    { stack: [3, 2], values: [1, 64, 1, 64], labels: { bytes: 64 } },
    { stack: [1, 2], values: [7, 700, 5, 500], labels: { bytes: 100 } },
  ]);
  const base = fileOf('base.pb', before);

  it('-base cancels a profile by itself, and by one from another run with other ids', async () => {
    const restarted = merged(madeUpProfile(HEAP, [{ stack: [9], values: [0, 0, 0, 0] }]), before);
    const again = madeUpProfile(HEAP, [
      { stack: [4], values: [2, 16, 2, 16], labels: { bytes: 8 } },
      { stack: [3, 2], values: [1, 64, 1, 64], labels: { bytes: 64 } },
      { stack: [1, 2], values: [4, 400, 4, 400], labels: { bytes: 100 } },
    ]);
    for (const profile of [restarted, again]) {
      const { samples, sampleTypes } = await goPprofProto('-base', base, fileOf('other.pb', profile));
      expect({ samples, sampleTypes }).toEqual({
        samples: [],
        sampleTypes: HEAP.sampleTypes.map(({ type }) => type),
      });
    }
  });

  it('-base subtracts as merge and scale do', async () => {
    const difference = await goPprofProto(fileOf('difference.pb', merged(after, negative(before))));
    const byGo = await goPprofProto('-base', base, fileOf('after.pb', after));
    expect(byGo.samples.toSorted(byStack)).toEqual(difference.samples.toSorted(byStack));
    expect(difference.samples).toHaveLength(3);
  });

  it('-diff_base and -normalize read them without a complaint', async () => {
    const file = fileOf('after.pb', after);
    expect(await goPprof('-top', '-diff_base', base, file)).toMatch(/of 480B total/);
    const { raw } = await goPprofProto('-normalize', '-base', base, file);
    const inUse = raw.sample.map(({ value }) => Number(BigInt.asIntN(64, BigInt(value[3]!))));
    expect(Math.abs(inUse.reduce((sum, bytes) => sum + bytes, 0))).toBeLessThan(4); // each value is rounded
  });
});

function byStack(a: { stack: readonly string[] }, b: { stack: readonly string[] }): number {
  return a.stack.join() < b.stack.join() ? -1 : 1;
}
