import { type PlaceInCode, ProfileBuilder } from './builder.js';
import { labelsOf, type Profile, type ProfileHeader, type ValueType } from './profile.js';

/**
 * Arithmetic of profiles by the rules of google/pprof's `Merge`, `ScaleN` and `Compact`, for profiles in which equal addresses are equal
 * locations, as in those of one program.
 *
 * @see https://github.com/google/pprof/blob/main/profile/merge.go
 */

/** Samples, and values, between two yields. */
const SAMPLES = 20;
const VALUES = 20_000;

/**
 * Adds profiles. Samples with the same addresses and labels are merged, at the position of the first one. Samples whose values are all
 * 0 are removed, with the locations, functions and strings that only they use.
 *
 * The header has the longest period, the earliest time, the sum of the durations, the first default sample type that is set, and each
 * comment once. The program is the first profile's.
 *
 * @throws Error if there are no profiles, or their period types or sample types differ
 */
export function* merge(profiles: readonly Profile[]): Generator<void, Profile> {
  const header = mergedHeader(profiles);
  const sum = yield* rebuilt(header, profiles);
  // Only now it is known which sums are 0.
  return (yield* hasZeroSample(sum)) ? yield* rebuilt(header, [sum]) : sum;
}

/**
 * Multiplies all values, rounding half away from zero as in Go. Samples that become 0 are kept until the next {@link merge} or
 * {@link compact}.
 *
 * @param factors one factor for all, or one per sample type
 * @throws Error if the number of factors differs from the number of sample types
 */
export function* scale(profile: Profile, factors: number | readonly number[]): Generator<void, Profile> {
  const width = profile.sampleTypes.length;
  const all = typeof factors === 'number' ? profile.sampleTypes.map(() => factors) : factors;
  if (all.length !== width) throw new Error(`${all.length} factors for ${width} sample types`);
  const values = new Float64Array(profile.samples.values.length);
  for (let i = 0; i < values.length; i++) {
    if (i % VALUES === 0) yield;
    const value = profile.samples.values[i]! * all[i % width]!;
    values[i] = Math.sign(value) * Math.round(Math.abs(value)) || 0; // no -0
  }
  return { ...profile, samples: { ...profile.samples, values } };
}

/** Removes samples whose values are all 0, and unused table entries. */
export function compact(profile: Profile): Generator<void, Profile> {
  return merge([profile]);
}

function mergedHeader(profiles: readonly Profile[]): ProfileHeader {
  const [first, ...others] = profiles;
  if (!first) throw new Error('no profiles to merge');
  for (const other of others) {
    requireSame('period types', [first.periodType], [other.periodType]);
    requireSame('sample types', first.sampleTypes, other.sampleTypes);
  }
  return {
    sampleTypes: first.sampleTypes,
    defaultSampleType: profiles.find(({ defaultSampleType }) => defaultSampleType)?.defaultSampleType ?? '',
    periodType: first.periodType,
    period: Math.max(...profiles.map(({ period }) => period)),
    timeNanos: earliest(profiles.map(({ timeNanos }) => timeNanos)),
    durationNanos: profiles.reduce((sum, { durationNanos }) => sum + durationNanos, 0),
    comments: [...new Set(profiles.flatMap(({ comments }) => comments))],
  };
}

/** 0 means unknown. */
function earliest(times: readonly bigint[]): bigint {
  return times.reduce((a, b) => (a === 0n || (b !== 0n && b < a) ? b : a));
}

function requireSame(what: string, a: readonly ValueType[], b: readonly ValueType[]): void {
  const [textA, textB] = [a, b].map((types) => types.map(({ type, unit }) => `${type}/${unit}`).join(', '));
  if (textA !== textB) throw new Error(`incompatible ${what}: ${textA} and ${textB}`);
}

function* rebuilt(header: ProfileHeader, profiles: readonly Profile[]): Generator<void, Profile> {
  const builder = new ProfileBuilder();
  for (const profile of profiles) yield* addSamples(builder, profile);
  return yield* builder.build(header, profiles[0]!.program);
}

/** Adds the samples that are not 0, and the table entries that they use. */
function* addSamples(builder: ProfileBuilder, profile: Profile): Generator<void, void> {
  const { samples, sampleTypes, locations, labelSets } = profile;
  const width = sampleTypes.length;
  const locationIds = Array.from<number | undefined>({ length: locations.length });
  const labelSetIds = Array.from<number | undefined>({ length: labelSets.length });
  const stack: number[] = [];
  const values: number[] = [];
  for (let i = 0; i < samples.length; i++) {
    if (i % SAMPLES === 0) yield;
    if (isZero(profile, i)) continue;
    for (let type = 0; type < width; type++) values[type] = samples.values[i * width + type]!;
    stack.length = 0;
    for (let at = samples.stackStart[i]!; at < samples.stackStart[i + 1]!; at++) {
      const location = samples.stack[at]!;
      stack.push((locationIds[location] ??= builder.location(placeOf(profile, location))));
    }
    const labelSet = samples.labelSet[i]!;
    builder.sample(stack, values, (labelSetIds[labelSet] ??= builder.labels(labelsOf(profile, labelSet))));
  }
}

function placeOf({ locations, functions, strings }: Profile, location: number): PlaceInCode {
  const fn = locations.function[location]!;
  return {
    address: locations.address[location]!,
    functionName: strings[functions.name[fn]!]!,
    filename: strings[functions.filename[fn]!]!,
    startLine: functions.startLine[fn]!,
    line: locations.line[location]!,
    column: locations.column[location]!,
  };
}

function* hasZeroSample(profile: Profile): Generator<void, boolean> {
  for (let i = 0; i < profile.samples.length; i++) {
    if (i % VALUES === 0) yield;
    if (isZero(profile, i)) return true;
  }
  return false;
}

function isZero({ samples, sampleTypes: { length } }: Profile, sample: number): boolean {
  for (let i = sample * length; i < (sample + 1) * length; i++) if (samples.values[i] !== 0) return false;
  return true;
}
