import type { Profile } from './profile.js';

/** Go's text of a profile (`debug=1`), in pieces. Yields now and then. */
export function* legacyText(
  _name: string,
  _profile: Profile,
  _trailer: readonly string[] = [],
): Generator<void, string[]> {
  yield;
  return [];
}
