import { describe, expect, it } from '@jest/globals';
import { COUNTS, HEAP, madeUpProfile, type MadeUpSample } from '../../test/support/made-up-profile.js';
import { finished } from './finished.js';
import type { ProfileHeader } from './profile.js';
import { speedscopeText } from './speedscope.js';

interface SpeedscopeFile {
  readonly name: string;
  readonly activeProfileIndex: number;
  readonly shared: { readonly frames: readonly { name: string; file?: string; line?: number }[] };
  readonly profiles: readonly {
    readonly name: string;
    readonly unit: string;
    readonly endValue: number;
    readonly samples: readonly number[][];
    readonly weights: readonly number[];
  }[];
}

/** The function of an address: those from 10 to 19 are lines of one. */
const nameOf = (address: number): string => (address < 10 ? `f${address}` : 'work');

function fileOf(samples: readonly MadeUpSample[], header: ProfileHeader = COUNTS): SpeedscopeFile {
  const profile = madeUpProfile(header, samples, nameOf);
  return JSON.parse(finished(speedscopeText('heap', profile)).join('')) as SpeedscopeFile;
}

/** Stacks by name, the root first, with their weights. */
function weights({ shared, profiles }: SpeedscopeFile, profile: number): Record<string, number> {
  const { samples, weights } = profiles[profile]!;
  return Object.fromEntries(
    samples.map((stack, i) => [stack.map((frame) => shared.frames[frame]!.name).join(' > '), weights[i]!]),
  );
}

describe('the speedscope format', () => {
  it('adds up samples that differ in lines alone: a function is one frame', () => {
    const file = fileOf([
      { stack: [10, 1], values: [3] },
      { stack: [11, 1], values: [4] },
      { stack: [1], values: [5] },
    ]);
    expect(file.shared.frames.filter(({ name }) => name === 'work')).toEqual([
      { name: 'work', file: '/app/main.js', line: 1 },
    ]);
    expect(weights(file, 0)).toEqual({ 'f1 > work': 7, f1: 5 });
  });

  it('has a profile for each sample type with its unit and total, and shows the default one', () => {
    const samples = [{ stack: [1], values: [1, 200, 1, 100] }];
    const file = fileOf(samples, HEAP);
    expect(file.profiles.map(({ name, unit, endValue }) => [name, unit, endValue])).toEqual([
      ['alloc_objects', 'none', 1],
      ['alloc_space', 'bytes', 200],
      ['inuse_objects', 'none', 1],
      ['inuse_space', 'bytes', 100],
    ]);
    expect(file.activeProfileIndex).toBe(3);
    expect(fileOf(samples, { ...HEAP, defaultSampleType: 'alloc_space' }).activeProfileIndex).toBe(1);
  });

  it('shows what a difference has lost in a profile of its own', () => {
    const file = fileOf([
      { stack: [1], values: [5] },
      { stack: [2], values: [-3] },
    ]);
    expect(file.profiles.map(({ name }) => name)).toEqual(['goroutine', 'goroutine freed']);
    expect(weights(file, 0)).toEqual({ f1: 5 });
    expect(weights(file, 1)).toEqual({ f2: 3 });
  });

  it('is valid JSON for any name, and with no sample at all', () => {
    const profile = madeUpProfile(COUNTS, [{ stack: [1], values: [1] }], () => 'a"b\\');
    const text = finished(speedscopeText('a"b', profile)).join('');
    expect(JSON.parse(text)).toMatchObject({ name: 'a"b', shared: { frames: [{ name: 'a"b\\' }] } });
    expect(fileOf([]).profiles).toMatchObject([{ samples: [], weights: [], endValue: 0 }]);
  });
});
