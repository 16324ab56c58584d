import { merge, scale } from '../format/merge.js';
import type { Profile } from '../format/profile.js';
import { CapturedProfile } from './capture.js';
import { HoldMeter, runSliced } from './loop.js';

/** A span of time of a named profile. */
export interface ProfileWindow {
  /** What happened since it was opened. */
  end(): Promise<CapturedProfile>;
  /** Stops what it started; does nothing after {@link end}. */
  close(): void;
}

/**
 * What a profile has gained between two readings; its time is that of the later one, its duration lies between them.
 *
 * @param factors of the earlier reading, for each sample type; -1 subtracts
 */
export async function difference(
  before: CapturedProfile,
  after: CapturedProfile,
  factors: number | readonly number[] = -1,
): Promise<CapturedProfile> {
  const holds = new HoldMeter();
  for (const { longestHoldMs } of [before, after]) holds.note(longestHoldMs);
  const profile = await runSliced(subtracted(after.profile, before.profile, factors), holds);
  return new CapturedProfile(after.name, profile, holds);
}

function* subtracted(
  after: Profile,
  before: Profile,
  factors: number | readonly number[],
): Generator<void, Profile> {
  const profile = yield* merge([after, yield* scale(before, factors)]);
  const { timeNanos, comments } = after;
  return { ...profile, timeNanos, durationNanos: Number(timeNanos - before.timeNanos), comments };
}
