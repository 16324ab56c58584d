import { FUNCTION, LINE, LOCATION, NO_TEXT, Places } from './merge-places.js';
import { ProfileTables } from './profile-tables.js';
import { LABEL, SampleSet } from './sample-set.js';
import type { Mapping, Profile, ProfileHeader, ValueType } from './profile.js';

/**
 * What google/pprof's `profile.Merge`, `Scale` and `Compact` do, over flat arrays.
 *
 * A sample is one with the same locations and labels, whatever ids its profile gave them. Everything is a row of
 * numbers, found by its hash: a function of texts, a location of functions, a sample of locations and labels.
 *
 * @see https://github.com/google/pprof/blob/main/profile/merge.go
 */

/** Samples, and values, between two yields. */
const SLICE = 20;
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
  const places = new Places(profiles);
  const samples = new SampleSet(profiles, header.sampleTypes.length);
  for (const profile of profiles) yield* samples.add(yield* places.add(profile));
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
  private readonly tables = new ProfileTables();
  private readonly strings = [''];
  private readonly mappings: Mapping[] = [];
  /** By the number among all the index in this profile. */
  private readonly textIndex: Int32Array;
  private readonly functionIndex: Int32Array;
  private readonly locationIndex: Int32Array;
  private readonly mappingIndex: Int32Array;

  constructor(
    private readonly samples: SampleSet,
    private readonly places: Places,
  ) {
    const { texts, functions, locations, mappings } = places;
    this.textIndex = unused(texts.all.length);
    this.functionIndex = unused(functions.length);
    this.locationIndex = unused(locations.length);
    this.mappingIndex = unused(mappings.length);
    this.textIndex[NO_TEXT] = 0;
    if (mappings.length > 0) this.mappingOf(0);
  }

  *build(header: ProfileHeader): Generator<void, Profile> {
    const width = header.sampleTypes.length;
    for (let i = 0; i < this.samples.length; i++) {
      if (i % SLICE === SLICE - 1) yield;
      if (!this.samples.isZero(i)) this.addSample(i, width);
    }
    return yield* this.tables.build(header, this.strings, this.mappings);
  }

  private addSample(sample: number, width: number): void {
    const { stack, values } = this.tables.samples;
    const { stacks, values: sums } = this.samples;
    this.tables.addSample();
    const row = this.samples.stackOf(sample);
    const end = stacks.starts[row + 1]!;
    for (let i = stacks.starts[row]!; i < end; i++) {
      const number = stacks.cells[i]!;
      const known = this.locationIndex[number]!;
      stack.push(known === UNUSED ? this.addLocation(number) : known);
    }
    for (let i = sample * width; i < (sample + 1) * width; i++) values.push(sums[i]!);
    this.addLabels(this.samples.labelsOf(sample));
  }

  private addLabels(row: number): void {
    const { labels } = this.samples;
    const { cells } = labels;
    for (let at = labels.starts[row]!; at < labels.starts[row + 1]!; at += LABEL.cells) {
      this.tables.addLabel(
        this.textOf(cells[at + LABEL.key]!),
        this.textOf(cells[at + LABEL.text]!),
        labels.wideAt(at + LABEL.number),
        this.textOf(cells[at + LABEL.unit]!),
      );
    }
  }

  private textOf(number: number): number {
    const known = this.textIndex[number]!;
    if (known !== UNUSED) return known;
    return (this.textIndex[number] = this.strings.push(this.places.texts.all[number]!) - 1);
  }

  private addLocation(number: number): number {
    const { tables, places } = this;
    const { cells, starts } = places.locations;
    const begin = starts[number]!;
    const mapping = cells[begin + LOCATION.mapping]! - 1;
    const address =
      places.locations.wideAt(begin + LOCATION.address) + (places.mappings[mapping]?.start ?? 0);
    const index = tables.addLocation(address, mapping < 0 ? 0 : this.mappingOf(mapping) + 1);
    this.locationIndex[number] = index;
    for (let at = begin + LOCATION.cells; at < starts[number + 1]!; at += LINE.cells) {
      tables.addLine(this.functionOf(cells[at + LINE.fn]!), cells[at + LINE.line]!, cells[at + LINE.column]!);
    }
    return index;
  }

  private functionOf(number: number): number {
    const known = this.functionIndex[number]!;
    return known !== UNUSED ? known : (this.functionIndex[number] = this.addFunction(number));
  }

  private addFunction(number: number): number {
    const { cells, starts } = this.places.functions;
    const begin = starts[number]!;
    return this.tables.addFunction(
      this.textOf(cells[begin + FUNCTION.name]!),
      this.textOf(cells[begin + FUNCTION.systemName]!),
      this.textOf(cells[begin + FUNCTION.filename]!),
      cells[begin + FUNCTION.startLine]!,
    );
  }

  private mappingOf(number: number): number {
    const known = this.mappingIndex[number]!;
    if (known !== UNUSED) return known;
    return (this.mappingIndex[number] = this.mappings.push(this.places.mappings[number]!) - 1);
  }
}

function unused(length: number): Int32Array {
  return new Int32Array(length).fill(UNUSED);
}
