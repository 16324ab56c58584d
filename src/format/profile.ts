/**
 * The profile model: google/pprof's profile.proto as flat arrays.
 *
 * A profile of 100,000 samples has millions of stack entries. Writing them as objects would take longer than Go takes; with typed arrays
 * it takes less than half of that. Tables are parallel arrays, an entry is an index into them, and a list of variable length (a stack,
 * labels) is the slice between two consecutive `…Start` entries.
 *
 * @see https://github.com/google/pprof/blob/main/proto/profile.proto
 */

/** What a value measures, such as `cpu` in `nanoseconds`. */
export interface ValueType {
  readonly type: string;
  readonly unit: string;
}

/** Functions; `name` and `filename` are indexes into `Profile.strings`. */
export interface FunctionTable {
  readonly length: number;
  readonly name: Uint32Array;
  readonly filename: Uint32Array;
  /** First line of the function; 0 if unknown. */
  readonly startLine: Uint32Array;
}

/** Locations in the code, each with one function and one line. Addresses are unique. */
export interface LocationTable {
  readonly length: number;
  /** Below 2^53, never 0. */
  readonly address: Float64Array;
  /** Index into `Profile.functions`. */
  readonly function: Uint32Array;
  /** 0 where unknown. */
  readonly line: Uint32Array;
  /** 0 where unknown. */
  readonly column: Uint32Array;
}

/** Sets of labels. Set `i` is the slice from `start[i]` to `start[i + 1]`, sorted by key. Set 0 is empty. */
export interface LabelSetTable {
  readonly length: number;
  readonly start: Uint32Array;
  /** Indexes into `Profile.strings`. */
  readonly key: Uint32Array;
  /** Index into `Profile.strings`; 0 if the label is a number. */
  readonly text: Uint32Array;
  readonly number: Float64Array;
}

/** Samples. The stack of sample `i` is the slice from `stackStart[i]` to `stackStart[i + 1]`, leaf first and never empty. */
export interface SampleTable {
  readonly length: number;
  readonly stackStart: Uint32Array;
  /** Indexes into `Profile.locations`. */
  readonly stack: Uint32Array;
  /** `sampleTypes.length` values per sample, sample by sample. */
  readonly values: Float64Array;
  /** Index into `Profile.labelSets`. */
  readonly labelSet: Uint32Array;
}

/** The metadata of a profile. */
export interface ProfileHeader {
  readonly sampleTypes: readonly ValueType[];
  /** The sample type that clients show by default; empty for the last one. */
  readonly defaultSampleType: string;
  readonly periodType: ValueType;
  /** Sampling period, in `periodType.unit`. */
  readonly period: number;
  /** Start of the capture, in nanoseconds since 1970. */
  readonly timeNanos: bigint;
  /** Duration of the capture in nanoseconds; 0 if the profile does not cover a span of time. */
  readonly durationNanos: number;
  readonly comments: readonly string[];
}

/** A profile in the model of profile.proto, as flat tables. To read it, use {@link samplesOf}. */
export interface Profile extends ProfileHeader {
  /** `strings[0]` is the empty string. */
  readonly strings: readonly string[];
  /** Name of the program, which clients print as `File:`. */
  readonly program: string;
  readonly functions: FunctionTable;
  readonly locations: LocationTable;
  readonly labelSets: LabelSetTable;
  readonly samples: SampleTable;
}

/** A frame of a stack, with its strings. */
export interface Frame {
  readonly name: string;
  readonly filename: string;
  readonly line: number;
}

/** Labels of a sample, such as the size of its objects. */
export type Labels = Readonly<Record<string, string | number>>;

/** A sample, with its frames and labels. */
export interface Sample {
  /** Leaf first. */
  readonly stack: readonly Frame[];
  /** In the order of `Profile.sampleTypes`. */
  readonly values: readonly number[];
  readonly labels: Labels;
}

/**
 * Iterates over the samples of a profile as objects.
 *
 * @example
 * for (const { stack, values } of samplesOf(profile)) console.log(stack[0]?.name, values[1]);
 */
export function* samplesOf(profile: Profile): Generator<Sample, void> {
  const { samples, sampleTypes } = profile;
  const frames = Array.from({ length: profile.locations.length }, (_, location) =>
    frameOf(profile, location),
  );
  for (let i = 0; i < samples.length; i++) {
    const stack = samples.stack.subarray(samples.stackStart[i], samples.stackStart[i + 1]);
    yield {
      stack: Array.from(stack, (location) => frames[location]!),
      values: Array.from(samples.values.subarray(i * sampleTypes.length, (i + 1) * sampleTypes.length)),
      labels: labelsOf(profile, samples.labelSet[i]!),
    };
  }
}

function frameOf({ locations, functions, strings }: Profile, location: number): Frame {
  const fn = locations.function[location]!;
  return {
    name: strings[functions.name[fn]!]!,
    filename: strings[functions.filename[fn]!]!,
    line: locations.line[location]!,
  };
}

/** A set of labels as an object. */
export function labelsOf({ labelSets, strings }: Profile, labelSet: number): Labels {
  const labels: [string, string | number][] = [];
  for (let i = labelSets.start[labelSet]!; i < labelSets.start[labelSet + 1]!; i++) {
    const text = labelSets.text[i]!;
    labels.push([strings[labelSets.key[i]!]!, text === 0 ? labelSets.number[i]! : strings[text]!]);
  }
  return Object.fromEntries(labels);
}
