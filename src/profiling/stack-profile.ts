import { type PlaceInCode, ProfileBuilder } from '../format/builder.js';
import type { Labels, Profile, ProfileHeader } from '../format/profile.js';
import type { CallTree } from '../sampling/sampler.js';
import { placeNamed } from './frames/frame-resolver.js';

/** A sample: a node of a call tree, or frames that stand for no code, outermost first. */
export interface WeighedStack {
  readonly at: number | readonly string[];
  /** In the order of the profile's sample types; with nothing but zeros it is no sample. */
  readonly values: readonly number[];
  readonly labels?: Labels;
}

/** For stacks that are all given by names. */
export const NO_TREE: CallTree = { frames: [], frameOf: [], parentOf: [] };

/** Stacks between two yields. */
const SLICE = 10;

/**
 * Joins what was sampled and the format: raw stacks and their values become a profile.
 *
 * @param places for each frame of the tree what is shown of it
 */
export function* buildStackProfile(
  header: ProfileHeader,
  { frameOf, parentOf }: CallTree,
  places: readonly PlaceInCode[],
  stacks: Iterable<WeighedStack>,
): Generator<void, Profile> {
  const builder = new ProfileBuilder();
  const locationOf: (number | undefined)[] = [];
  const locationAt = (frame: number): number => (locationOf[frame] ??= builder.location(places[frame]!));

  let count = 0;
  for (const { at, values, labels } of stacks) {
    if (++count % SLICE === 0) yield;
    if (values.every((value) => value === 0)) continue;
    const stack: number[] = [];
    if (typeof at === 'number')
      for (let node = at; node >= 0; node = parentOf[node]!) stack.push(locationAt(frameOf[node]!));
    else for (const name of at.toReversed()) stack.push(builder.location(placeNamed(name)));
    builder.sample(stack, values, labels && builder.labels(labels));
  }
  return yield* builder.build(header, process.argv[1] ?? process.execPath);
}
