import { Interner } from './interner.js';
import { Places } from './merge-places.js';
import { ProfileTables } from './profile-tables.js';
import { SampleSet } from './sample-set.js';
import type { Mapping, Profile, ProfileHeader, ValueType } from './profile.js';

/**
 * What google/pprof's `profile.Merge`, `Scale` and `Compact` do, over flat arrays.
 *
 * A sample is one with the same locations and labels, whatever ids its profile gave them. Samples are found by a hash
 * of both; locations, functions and mappings, which are few, by text.
 *
 * @see https://github.com/google/pprof/blob/main/profile/merge.go
 */

/** Samples, and values, between two yields. */
const SLICE = 200;
const VALUES = 20_000;

const UNUSED = -1;

/**
 * Adds profiles up: samples that are the same become one. Those whose values are all 0 are left out, and what only they
 * refer to.
 *
 * Header: the earliest time, the sum of the durations, the longest period, all comments once, the first
 * `default_sample_type` that is set.
 *
 * @throws Error if their period types or sample types differ
 */
export function* merge(profiles: readonly Profile[]): Generator<void, Profile> {
  const header = headerOf(profiles);
  const places = new Places();
  const samples = new SampleSet(profiles, header.sampleTypes.length);
  for (const profile of profiles) yield* samples.add(places.source(profile));
  return yield* new ProfileOfSamples(samples, places).build(header);
}

/** The profile with all its values times a factor, rounded; -1 and {@link merge} subtract. */
export function* scale(profile: Profile, factor: number): Generator<void, Profile> {
  const { values } = profile.samples;
  const scaled = new Float64Array(values.length);
  for (let i = 0; i < values.length; i++) {
    if (i % VALUES === VALUES - 1) yield;
    scaled[i] = rounded(values[i]! * factor);
  }
  return { ...profile, samples: { ...profile.samples, values: scaled } };
}

/** Half away from zero, as Go does; Math.round rounds -2.5 up. There is no -0. */
function rounded(value: number): number {
  return Math.sign(value) * Math.round(Math.abs(value)) || 0;
}

/** The profile without samples that are zero or come twice, and without what no sample refers to. */
export function compact(profile: Profile): Generator<void, Profile> {
  return merge([profile]);
}

function headerOf(profiles: readonly Profile[]): ProfileHeader {
  const [first, ...others] = profiles;
  if (!first) throw new Error('no profiles to merge');
  for (const other of others) checkCompatible(first, other);
  return {
    sampleTypes: first.sampleTypes,
    defaultSampleType: profiles.find(({ defaultSampleType }) => defaultSampleType)?.defaultSampleType ?? '',
    periodType: first.periodType,
    period: Math.max(...profiles.map(({ period }) => period)),
    timeNanos: profiles.reduce((earliest, { timeNanos }) => earlier(earliest, timeNanos), 0n),
    durationNanos: profiles.reduce((sum, { durationNanos }) => sum + durationNanos, 0),
    comments: [...new Set(profiles.flatMap(({ comments }) => comments))],
  };
}

/** 0 is no time. */
function earlier(a: bigint, b: bigint): bigint {
  return a === 0n || (b !== 0n && b < a) ? b : a;
}

function checkCompatible(a: Profile, b: Profile): void {
  if (!same(a.periodType, b.periodType)) {
    throw new Error(`incompatible period types ${shown([a.periodType])} and ${shown([b.periodType])}`);
  }
  const fit =
    a.sampleTypes.length === b.sampleTypes.length &&
    a.sampleTypes.every((type, i) => same(type, b.sampleTypes[i]!));
  if (!fit) throw new Error(`incompatible sample types ${shown(a.sampleTypes)} and ${shown(b.sampleTypes)}`);
}

function same(a: ValueType, b: ValueType): boolean {
  return a.type === b.type && a.unit === b.unit;
}

function shown(types: readonly ValueType[]): string {
  return types.map(({ type, unit }) => `${type}/${unit}`).join(', ') || 'none';
}

/** Writes a profile of the samples that are not zero, and of what they refer to. */
class ProfileOfSamples {
  private readonly strings = new Interner();
  private readonly tables = new ProfileTables();
  /** By the number among all the index in this profile. */
  private readonly functionIndex: Int32Array;
  private readonly locationIndex: Int32Array;
  private readonly mappingIndex: Int32Array;
  private readonly mappings: Mapping[] = [];

  constructor(
    private readonly samples: SampleSet,
    private readonly places: Places,
  ) {
    this.strings.idOf('');
    this.functionIndex = new Int32Array(places.functions.length).fill(UNUSED);
    this.locationIndex = new Int32Array(places.locations.length).fill(UNUSED);
    this.mappingIndex = new Int32Array(places.mappings.length).fill(UNUSED);
    if (places.mappings.length > 0) this.mappingOf(0);
  }

  *build(header: ProfileHeader): Generator<void, Profile> {
    const width = header.sampleTypes.length;
    for (let i = 0; i < this.samples.length; i++) {
      if (i % SLICE === SLICE - 1) yield;
      if (!this.samples.isZero(i)) this.addSample(i, width);
    }
    return yield* this.tables.build(header, this.strings.all, this.mappings);
  }

  private addSample(sample: number, width: number): void {
    const { samples, tables } = this;
    tables.addSample();
    for (let i = samples.stackStart[sample]!; i < samples.stackStart[sample + 1]!; i++) {
      tables.samples.stack.push(this.locationOf(samples.stack[i]!));
    }
    for (let i = sample * width; i < (sample + 1) * width; i++)
      tables.samples.values.push(samples.values[i]!);
    for (let i = samples.labelStart[sample]!; i < samples.labelStart[sample + 1]!; i++) {
      const [key, text, unit] = [samples.labelKey, samples.labelText, samples.labelUnit].map((column) =>
        this.textOf(column[i]!),
      );
      tables.addLabel(key!, text!, samples.labelNumber[i]!, unit!);
    }
  }

  private textOf(number: number): number {
    return this.strings.idOf(this.places.texts.all[number]!);
  }

  private locationOf(number: number): number {
    const known = this.locationIndex[number]!;
    if (known !== UNUSED) return known;
    const { source, index: at } = this.places.locations[number]!;
    const { locations, mappings } = source.profile;
    const mapping = mappings[locations.mapping[at]! - 1];
    const mappingNumber = mapping ? this.places.mapping(mapping) : UNUSED;
    // In the mapping that stays, which may begin elsewhere.
    const moved = mapping ? this.places.mappings[mappingNumber]!.start - mapping.start : 0;
    const index = this.tables.addLocation(
      locations.address[at]! + moved,
      mapping ? this.mappingOf(mappingNumber) + 1 : 0,
    );
    for (let line = locations.lineStart[at]!; line < locations.lineStart[at + 1]!; line++) {
      this.tables.addLine(
        this.functionOf(source.function(locations.lineFunction[line]!)),
        locations.lineNumber[line]!,
        locations.lineColumn[line]!,
      );
    }
    return (this.locationIndex[number] = index);
  }

  private functionOf(number: number): number {
    const known = this.functionIndex[number]!;
    if (known !== UNUSED) return known;
    const { profile, index: at } = this.places.functions[number]!;
    const { name, systemName, filename, startLine } = profile.functions;
    const text = (column: Uint32Array): number => this.strings.idOf(profile.strings[column[at]!]!);
    const index = this.tables.addFunction(text(name), text(systemName), text(filename), startLine[at]!);
    return (this.functionIndex[number] = index);
  }

  private mappingOf(number: number): number {
    const known = this.mappingIndex[number]!;
    if (known !== UNUSED) return known;
    return (this.mappingIndex[number] = this.mappings.push(this.places.mappings[number]!) - 1);
  }
}
