import { merge, scale } from '../../format/merge.js';
import type { Profile } from '../../format/profile.js';
import { type HoldMeter, runSliced } from '../loop.js';
import { buildStackProfile, NO_TREE } from '../frames/frame-resolver.js';

/** Number of stacks (with sizes) that are counted separately. Later allocations at other stacks are counted together. */
export const MAX_STACKS = 10_000;

/** The frame of allocations that are counted together. */
export const OTHER_STACKS = '(other stacks)';

/** Values of a sample: objects and bytes allocated, objects and bytes in use. */
const WIDTH = 4;
const ALLOCATED = 2;
const ONLY_ALLOCATED = [1, 1, 0, 0];

/** Samples between two yields. */
const SLICE = 5000;

/**
 * Totals of allocations in all readings so far. Objects that are allocated and collected between two readings are missing, so it
 * is a lower bound. It never decreases for any stack, which scrapers rely on when they subtract consecutive readings.
 */
export class AllocationTotals {
  private total: Promise<Profile | undefined> = Promise.resolve(undefined);

  /**
   * Adds the new allocations of a reading. The totals include all readings up to this one, in the order of the calls.
   *
   * @param reading new objects and bytes, and objects and bytes in use
   * @returns objects and bytes allocated so far, and those in use
   */
  add(reading: Promise<Profile>, holds: HoldMeter): Promise<Profile> {
    const { total } = this;
    const sum = this.sum(total, reading, holds);
    this.total = sum.then((profile) => runSliced(scale(profile, ONLY_ALLOCATED), holds)).catch(() => total);
    return sum;
  }

  private async sum(
    total: Promise<Profile | undefined>,
    reading: Promise<Profile>,
    holds: HoldMeter,
  ): Promise<Profile> {
    const profiles = (await Promise.all([total, reading])).filter((profile) => profile !== undefined);
    return runSliced(limitedSum(profiles), holds);
  }
}

function* limitedSum(profiles: readonly Profile[]): Generator<void, Profile> {
  const sum = yield* merge(profiles);
  const { length } = sum.samples;
  if (length <= MAX_STACKS) return sum;
  const values = Float64Array.from(sum.samples.values);
  const others = [0, 0, 0, 0];
  for (let i = MAX_STACKS; i < length; i++) {
    if (i % SLICE === 0) yield;
    for (let column = 0; column < ALLOCATED; column++) {
      others[column]! += values[i * WIDTH + column]!;
      values[i * WIDTH + column] = 0;
    }
  }
  const limited = { ...sum, samples: { ...sum.samples, values } };
  return yield* merge([
    limited,
    yield* buildStackProfile(sum, NO_TREE, [], [{ at: [OTHER_STACKS], values: others }]),
  ]);
}
