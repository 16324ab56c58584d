import { merge } from '../format/merge.js';
import type { Profile } from '../format/profile.js';
import type { HeapEpoch, HeapReading, HeapSamples, Sliced } from '../sampling/sampler.js';

/**
 * What was allocated since the start, as far as readings saw it: V8 forgets what dies, so each reading adds what is new
 * since the one before it and still alive. That is a lower bound, and never falls, which scrapers that subtract one
 * reading from the next count on.
 */
export class AllocationTotals {
  private epoch: HeapEpoch | undefined;
  private lastOrdinal = 0;
  private total: Promise<Profile | undefined> = Promise.resolve(undefined);
  private readonly peaks = new Map<string, number>();

  /** What a reading has that none before it had. To be asked at once, so that no two readings count the same. */
  newIn(reading: HeapReading): Sliced<HeapSamples> {
    const after = reading.epoch === this.epoch ? this.lastOrdinal : 0;
    this.epoch = reading.epoch;
    this.lastOrdinal = Math.max(after, reading.lastOrdinal);
    return reading.allocatedAfter(after);
  }

  /**
   * Adds a profile of what was new, after those that came before it.
   *
   * @param run drives the work
   * @returns all so far
   */
  add(added: Profile, run: (work: Generator<void, Profile>) => Promise<Profile>): Promise<Profile> {
    const before = this.total;
    const sum = before.then((total) => run(merge(total ? [total, added] : [added])));
    this.total = sum.catch(() => before); // what could not be added is missing, and the rest stays
    return sum;
  }

  /** The most that memory outside of the heap ever was: so much was allocated at least. */
  peak(name: string, bytes: number): number {
    const peak = Math.max(bytes, this.peaks.get(name) ?? 0);
    this.peaks.set(name, peak);
    return peak;
  }
}
