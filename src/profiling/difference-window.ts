import { merge, scale } from '../format/merge.js';
import type { Profile } from '../format/profile.js';
import { CapturedProfile } from './captured-profile.js';
import { HoldMeter } from './hold-meter.js';
import type { ProfileWindow } from './profiles/named-profile.js';
import { runSliced } from './slices.js';

/**
 * The window of a profile that counts up: what a collection at its end has more than one at its begin.
 *
 * @param collect gives the profile as it is
 */
export async function differenceWindow(collect: () => Promise<CapturedProfile>): Promise<ProfileWindow> {
  const before = await collect();
  return {
    end: async () => {
      const after = await collect();
      return difference(before, after);
    },
    close() {},
  };
}

/** What `after` has more than `before`; its time is that of `after`, its duration what lies between. */
export async function difference(before: CapturedProfile, after: CapturedProfile): Promise<CapturedProfile> {
  const holds = new HoldMeter();
  for (const { longestHoldMs } of [before, after]) holds.note(longestHoldMs);
  const profile = await runSliced(subtracted(before.profile, after.profile), holds);
  return new CapturedProfile(after.name, profile, holds);
}

function* subtracted(before: Profile, after: Profile): Generator<void, Profile> {
  const profile = yield* merge([after, yield* scale(before, -1)]);
  return {
    ...profile,
    timeNanos: after.timeNanos,
    durationNanos: Number(after.timeNanos - before.timeNanos),
    comments: after.comments,
  };
}
