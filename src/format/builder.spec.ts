import { describe, expect, it } from '@jest/globals';
import { finished } from './finished.js';
import { type Labels, labelsOf, samplesOf } from './profile.js';
import { ProfileBuilder } from './builder.js';

const HEADER = {
  sampleTypes: [{ type: 'space', unit: 'bytes' }],
  defaultSampleType: '',
  periodType: { type: 'space', unit: 'bytes' },
  period: 1,
  timeNanos: 0n,
  durationNanos: 0,
  comments: [],
};
const PLACE = { functionName: 'f', filename: 'a.js', startLine: 1, line: 2, column: 0 };

describe('ProfileBuilder', () => {
  it('keeps a location once by its address, and a function once by its name, file and first line', () => {
    const builder = new ProfileBuilder();
    expect(builder.location({ ...PLACE, address: 1 })).toBe(0);
    expect(builder.location({ ...PLACE, address: 1 })).toBe(0);
    builder.location({ ...PLACE, address: 2, line: 3 });
    builder.location({ ...PLACE, address: 3, startLine: 9 });
    const { locations, functions, strings } = finished(builder.build(HEADER, 'x'));
    expect(locations.length).toBe(3);
    expect([...locations.function]).toEqual([0, 0, 1]);
    expect([...functions.startLine]).toEqual([1, 9]);
    expect(strings).toEqual(['', 'f', 'a.js']);
  });

  it('rounds values, since the format has whole numbers only', () => {
    const builder = new ProfileBuilder();
    const location = builder.location({ ...PLACE, address: 1 });
    builder.sample([location], [1.6]);
    builder.sample([location, location], [-0.4]);
    expect([...finished(builder.build(HEADER, 'x')).samples.values]).toEqual([2, 0]);
  });

  it('adds up samples with the same stack and labels, at the position of the first', () => {
    const builder = new ProfileBuilder();
    const [f, g] = [1, 2].map((address) => builder.location({ ...PLACE, address }));
    const bytes = (size: number): number => builder.labels({ bytes: size });
    const samples: [number[], number, number?][] = [
      [[f!, g!], 1],
      [[g!, f!], 2],
      [[f!], 4, bytes(16)],
      [[f!, g!], 8],
      [[f!], 16, bytes(24)],
      [[f!], 32, bytes(16)],
      [[f!], 64],
    ];
    for (const [stack, value, labels] of samples) builder.sample(stack, [value], labels);
    const all = [...samplesOf(finished(builder.build(HEADER, 'x')))];
    expect(all.map(({ values: [value], labels }) => [value, labels])).toEqual([
      [9, {}],
      [2, {}],
      [36, { bytes: 16 }],
      [16, { bytes: 24 }],
      [64, {}],
    ]);
  });

  it('distinguishes sets of labels by their keys and values, whatever their order', () => {
    const builder = new ProfileBuilder();
    const sets: Labels[] = [
      {},
      { a: 1, b: '2' },
      { b: '2', a: 1 },
      { a: '1', b: '2' },
      { a: 1 },
      { '': 'no key', 'no text': '', 'no number': 0 },
      { 'a,b': 1 },
      JSON.parse('{"__proto__":"x"}') as Labels,
    ];
    expect(sets.map((set) => builder.labels(set))).toEqual([0, 1, 1, 2, 3, 0, 4, 5]);
    const profile = finished(builder.build(HEADER, 'x'));
    expect([0, 1, 2, 3, 4, 5].map((set) => Object.entries(labelsOf(profile, set)))).toEqual([
      [],
      [
        ['a', 1],
        ['b', '2'],
      ],
      [
        ['a', '1'],
        ['b', '2'],
      ],
      [['a', 1]],
      [['a,b', 1]],
      [['__proto__', 'x']],
    ]);
  });

  it('gives a sample without a stack the location (no stack), since scrapers refuse one without a location', () => {
    const builder = new ProfileBuilder();
    builder.sample([], [1]);
    builder.sample([], [2]);
    const [sample, ...others] = samplesOf(finished(builder.build(HEADER, 'x')));
    expect(sample).toMatchObject({ stack: [{ name: '(no stack)', filename: '', line: 0 }], values: [3] });
    expect(others).toEqual([]);
  });

  it('has names, files and labels without control characters, and labels once that are alike then', () => {
    const builder = new ProfileBuilder();
    const place = { ...PLACE, address: 1, functionName: 'a\nb\u2028', filename: '/c\r\0d.js' };
    const sets: Labels[] = [{ 'k\ney': 'v\tal' }, { 'k ey': 'v al' }];
    const labelSets = sets.map((labels) => builder.labels(labels));
    expect(new Set(labelSets).size).toBe(1);
    builder.sample([builder.location(place)], [1], labelSets[0]);
    const [sample] = samplesOf(finished(builder.build(HEADER, 'x')));
    expect(sample).toMatchObject({
      stack: [{ name: 'a b ', filename: '/c  d.js' }],
      labels: { 'k ey': 'v al' },
    });
  });

  it('grows to 100,000 samples of 30 frames', () => {
    const builder = new ProfileBuilder();
    const stack = Array.from({ length: 30 }, (_, i) => builder.location({ ...PLACE, address: i + 1 }));
    for (let i = 0; i < 100_000; i++) builder.sample(stack, [i], builder.labels({ i }));
    const { samples } = finished(builder.build(HEADER, 'x'));
    expect(samples.length).toBe(100_000);
    expect(samples.stack.length).toBe(3_000_000);
    expect(samples.stackStart[100_000]).toBe(3_000_000);
    expect(samples.values[99_999]).toBe(99_999);
  });
});
