import { merge } from '../format/merge.js';
import type { Profile } from '../format/profile.js';
import type { HeapEpoch, HeapReading, HeapSamples, Sliced } from '../sampling/sampler.js';

/** Values of a sample: objects and bytes allocated, objects and bytes in use. */
const WIDTH = 4;
const IN_USE = 2;

/** Values between two yields; whole samples. */
const SLICE = 20_000;

/**
 * What was allocated since the start, as far as readings saw it: V8 forgets what dies, so each reading adds what is new
 * since the one before it and still alive. That is a lower bound, and never falls, which scrapers that subtract one
 * reading from the next count on.
 */
export class AllocationTotals {
  private epoch: HeapEpoch | undefined;
  private lastOrdinal = 0;
  private total: Promise<Profile | undefined> = Promise.resolve(undefined);

  /** What a reading has that none before it had. To be asked at once, so that no two readings count the same. */
  newIn(reading: HeapReading): Sliced<HeapSamples> {
    const after = reading.epoch === this.epoch ? this.lastOrdinal : 0;
    this.epoch = reading.epoch;
    this.lastOrdinal = Math.max(after, reading.lastOrdinal);
    return reading.allocatedAfter(after);
  }

  /**
   * Adds what was new, and what a reading found in use, of which so much was allocated at least. One after the other.
   *
   * @param run drives the work
   * @returns what is in use, and all that was allocated so far
   */
  add(
    profiles: readonly Profile[],
    run: (work: Generator<void, Profile>) => Promise<Profile>,
  ): Promise<Profile> {
    const before = this.total;
    const sum = before.then((total) => run(together(total ? [total, ...profiles] : profiles)));
    this.total = sum.then((profile) => run(allocatedIn(profile))).catch(() => before); // without what cannot be added
    return sum;
  }
}

/** The profile without what is in use. */
export function* allocatedIn(profile: Profile): Generator<void, Profile> {
  const values = Float64Array.from(profile.samples.values);
  for (let i = 0; i < values.length; i += WIDTH) {
    if (i % SLICE === 0) yield;
    values.fill(0, i + IN_USE, i + WIDTH);
  }
  return { ...profile, samples: { ...profile.samples, values } };
}

/** Adds up; what is in use was allocated at least. */
function* together(profiles: readonly Profile[]): Generator<void, Profile> {
  const sum = yield* merge(profiles);
  const values = Float64Array.from(sum.samples.values);
  for (let i = 0; i < values.length; i += WIDTH) {
    if (i % SLICE === 0) yield;
    for (let at = i; at < i + IN_USE; at++) values[at] = Math.max(values[at]!, values[at + IN_USE]!);
  }
  return { ...sum, samples: { ...sum.samples, values } };
}
