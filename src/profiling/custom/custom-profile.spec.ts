import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import { CustomProfile } from './custom-profile.js';
import type { SourceSample } from './profile-source.js';

const newProfile = (): CustomProfile => new CustomProfile({ name: 'leases', description: 'Leases.' });

/** For each stack its innermost function, and the number of values. */
const counts = (profile: CustomProfile): unknown =>
  profile.samples().map((sample) => [namesIn(sample)[0], sample.values]);

const namesIn = ({ stack = [] }: SourceSample): string[] =>
  stack.map((frame) => (typeof frame === 'string' ? frame : frame.name));

describe('CustomProfile', () => {
  it('counts values of every kind until they are removed', () => {
    const profile = newProfile();
    const values = [{}, () => {}, undefined, null, NaN, 0, '', 'text', 1n, Symbol('s')];
    for (const value of values) profile.add(value);
    expect(profile.count()).toBe(values.length);
    for (const value of values) profile.remove(value);
    expect([profile.count(), profile.samples()]).toEqual([0, []]);
  });

  it('add throws for a value that is present, and changes nothing', () => {
    const profile = newProfile();
    profile.add('a');
    expect(() => profile.add('a')).toThrow('profile leases already has this value');
    expect([profile.count(), profile.samples()[0]!.values]).toEqual([1, 1]);
  });

  it('remove ignores a value that is not present, and a removed value can be added again', () => {
    const profile = newProfile();
    profile.add('a');
    profile.remove('b');
    profile.remove('a');
    profile.remove('a');
    profile.add('a');
    expect(profile.count()).toBe(1);
  });

  it('has one sample for each stack that has added present values', () => {
    const profile = newProfile();
    const open = (value: number): void => profile.add(value);
    const reopen = (value: number): void => profile.add(value);
    for (const value of [1, 2, 3]) open(value);
    reopen(4);
    expect(counts(profile)).toEqual([
      ['open', 3],
      ['reopen', 1],
    ]);
    profile.remove(2);
    profile.remove(4);
    expect(counts(profile)).toEqual([['open', 2]]);
  });

  it("add keeps at most 64 frames, and leaves Error's settings as they were", () => {
    const profile = newProfile();
    const before = [Error.stackTraceLimit, Error.prepareStackTrace];
    const deep = (depth: number): void => (depth > 0 ? deep(depth - 1) : profile.add(depth));
    deep(500);
    expect([Error.stackTraceLimit, Error.prepareStackTrace]).toEqual(before);
    expect(namesIn(profile.samples()[0]!)).toEqual(Array(64).fill('deep'));
  });

  it("add names methods with their class, as V8's own stack traces do", () => {
    const profile = newProfile();
    class Pool {
      open(): void {
        profile.add(1);
      }
    }
    const object = { take: () => new Pool().open() };
    object.take();
    expect(namesIn(profile.samples()[0]!).slice(0, 2)).toEqual(['Pool.open', 'take']);
  });

  it('add remembers the callers across await', async () => {
    const profile = newProfile();
    async function acquire(): Promise<void> {
      await Promise.resolve();
      profile.add('a');
    }
    await (async function handle() {
      await acquire();
    })();
    expect(namesIn(profile.samples()[0]!)).toEqual(expect.arrayContaining(['acquire', 'handle']));
  });
});
