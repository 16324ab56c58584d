import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Profile as Decoded } from 'pprof-format';
import { finished } from './finished.js';
import { ProfileBuilder, type PlaceInCode } from './builder.js';
import type { Profile, ProfileHeader } from './profile.js';
import { samplesOf } from './profile.js';
import { encodeProfile } from './encode.js';

fc.configureGlobal({ seed: 1 }); // the same cases in every run

const HEADER: ProfileHeader = {
  sampleTypes: [
    { type: 'samples', unit: 'count' },
    { type: 'cpu', unit: 'nanoseconds' },
  ],
  defaultSampleType: 'cpu',
  periodType: { type: 'cpu', unit: 'nanoseconds' },
  period: 10_000_000,
  timeNanos: 1_764_000_000_123_456_789n,
  durationNanos: 5_000_000_000,
  comments: ['a comment', 'cpu'],
};

const place = (address: number, functionName: string, line = 1): PlaceInCode => ({
  address,
  functionName,
  filename: '/app/main.js',
  startLine: 1,
  line,
  column: 0,
});

/** Read by a decoder that is not ours. */
const decoded = (profile: Profile) => Decoded.decode(finished(encodeProfile(profile)));

function small(): Profile {
  const builder = new ProfileBuilder();
  const leaf = builder.location(place(7, 'leaf', 3));
  const root = builder.location(place(2 ** 53 - 1, 'root'));
  builder.sample([leaf, root], [3, 30_000_000], builder.labels({ bytes: 16 }));
  builder.sample([root], [1, 2 ** 52]);
  return finished(builder.build(HEADER, '/app/main.js'));
}

describe('encodeProfile', () => {
  it('writes what an independent decoder reads', () => {
    const profile = decoded(small());
    const text = (index: number | bigint): string => profile.stringTable.strings[Number(index)]!;
    expect(profile.sampleType.map(({ type, unit }) => [text(type), text(unit)])).toEqual([
      ['samples', 'count'],
      ['cpu', 'nanoseconds'],
    ]);
    expect(profile.sample.map(({ value }) => value.map(Number))).toEqual([
      [3, 30_000_000],
      [1, 2 ** 52],
    ]);
    expect(profile.sample.map(({ locationId }) => locationId.map(Number))).toEqual([[1, 2], [2]]);
    expect(profile.sample[0]!.label.map(({ key, num }) => [text(key), Number(num)])).toEqual([['bytes', 16]]);
    expect(profile.location.map(({ address }) => Number(address))).toEqual([7, 2 ** 53 - 1]);
    expect(profile.function.map(({ name, filename }) => [text(name), text(filename)])).toEqual([
      ['leaf', '/app/main.js'],
      ['root', '/app/main.js'],
    ]);
    expect(profile.comment.map(text)).toEqual(['a comment', 'cpu']);
    expect(text(profile.defaultSampleType)).toBe('cpu');
    expect(BigInt(profile.timeNanos)).toBe(HEADER.timeNanos);
    expect(Number(profile.durationNanos)).toBe(HEADER.durationNanos);
    expect(Number(profile.period)).toBe(HEADER.period);
  });

  it('writes a header without control characters, which would break the rows of a report', () => {
    const types = [{ type: 'open\nfiles', unit: 'a\tb' }];
    const header = { ...HEADER, sampleTypes: types, periodType: types[0]!, comments: ['v1\r\nv2'] };
    const { stringTable } = decoded(finished(new ProfileBuilder().build(header, '/app\u2028/main.js')));
    expect(stringTable.strings).toEqual(['', 'open files', 'a b', '/app /main.js', 'v1  v2', 'cpu']);
  });

  it('writes an empty profile with its types, so that clients can subtract it', () => {
    const profile = decoded(finished(new ProfileBuilder().build({ ...HEADER, durationNanos: 0 }, 'x')));
    expect(profile.sampleType).toHaveLength(2);
    expect(profile.sample).toHaveLength(0);
    expect(Number(profile.durationNanos)).toBe(0);
  });

  it('round-trips any names, stacks and values', () => {
    const name = fc.string({ unit: 'grapheme', maxLength: 300 });
    const value = fc.integer({ min: -(2 ** 53) + 1, max: 2 ** 53 - 1 });
    const sample = fc.record({
      stack: fc.array(fc.nat(19), { minLength: 1, maxLength: 40 }),
      values: fc.tuple(value, value),
    });
    fc.assert(
      fc.property(
        fc.array(name, { minLength: 20, maxLength: 20 }),
        fc.array(sample, { maxLength: 30 }),
        (names, samples) => {
          const builder = new ProfileBuilder();
          const locations = names.map((functionName, i) => builder.location(place(i + 1, functionName, i)));
          for (const [i, { stack, values }] of samples.entries()) {
            builder.sample(
              stack.map((i) => locations[i]!),
              values,
              builder.labels({ i }), // none is like another
            );
          }
          const profile = decoded(finished(builder.build(HEADER, 'x')));
          const nameOf = (location: number | bigint): string => {
            const line = profile.location[Number(location) - 1]!.line[0]!;
            const fn = profile.function[Number(line.functionId) - 1]!;
            return profile.stringTable.strings[Number(fn.name)]!;
          };
          expect(profile.sample.map(({ locationId }) => locationId.map(nameOf))).toEqual(
            samples.map(({ stack }) => stack.map((i) => names[i])),
          );
          expect(profile.sample.map(({ value }) => value.map((v) => BigInt.asIntN(64, BigInt(v))))).toEqual(
            samples.map(({ values }) => values.map(BigInt)),
          );
        },
      ),
    );
  });
});

describe('samplesOf', () => {
  it('gives each sample with its frames, values and labels looked up', () => {
    expect([...samplesOf(small())]).toEqual([
      {
        stack: [
          { name: 'leaf', filename: '/app/main.js', line: 3 },
          { name: 'root', filename: '/app/main.js', line: 1 },
        ],
        values: [3, 30_000_000],
        labels: { bytes: 16 },
      },
      { stack: [{ name: 'root', filename: '/app/main.js', line: 1 }], values: [1, 2 ** 52], labels: {} },
    ]);
  });
});
