import { describe, expect, it } from '@jest/globals';
import { finished } from './finished.js';
import { ProfileBuilder } from './profile-builder.js';

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
  it('keeps a place that comes twice once, and functions apart by where they begin', () => {
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
    builder.sample([], [1.6]);
    expect([...finished(builder.build(HEADER, 'x')).samples.values]).toEqual([2]);
  });

  it('grows to 100,000 samples of 30 frames', () => {
    const builder = new ProfileBuilder();
    const stack = Array.from({ length: 30 }, (_, i) => builder.location({ ...PLACE, address: i + 1 }));
    for (let i = 0; i < 100_000; i++) builder.sample(stack, [i]);
    const { samples } = finished(builder.build(HEADER, 'x'));
    expect(samples.length).toBe(100_000);
    expect(samples.stack.length).toBe(3_000_000);
    expect(samples.stackStart[100_000]).toBe(3_000_000);
    expect(samples.values[99_999]).toBe(99_999);
  });
});
