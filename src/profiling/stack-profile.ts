import type { Profile, ProfileHeader } from '../format/profile.js';
import { ProfileBuilder } from '../format/profile-builder.js';
import type { CallTree } from '../sampling/sampler.js';
import { placeNamed, placeOf } from './places.js';

/** A sample: a node of a call tree, or a frame by itself that stands for no code. */
export interface WeighedStack {
  readonly at: number | string;
  /** In the order of the profile's sample types. */
  readonly values: readonly number[];
  readonly labels?: Readonly<Record<string, number>>;
}

/** Samples between two yields. */
const SLICE = 200;

/** Joins what was sampled and the format: raw stacks and their values become a profile. */
export function* buildStackProfile(
  header: ProfileHeader,
  tree: CallTree,
  stacks: Iterable<WeighedStack>,
): Generator<void, Profile> {
  const builder = new ProfileBuilder();
  const locationOf: (number | undefined)[] = [];
  const locationAt = (frame: number): number =>
    (locationOf[frame] ??= builder.location(placeOf(tree.frames[frame]!)));

  let count = 0;
  for (const { at, values, labels } of stacks) {
    if (++count % SLICE === 0) yield;
    const stack: number[] = [];
    if (typeof at === 'string') stack.push(builder.location(placeNamed(at)));
    else
      for (let node = at; node >= 0; node = tree.parentOf[node]!) stack.push(locationAt(tree.frameOf[node]!));
    builder.sample(stack, values, labels);
  }
  return builder.build(header, process.argv[1] ?? process.execPath);
}
