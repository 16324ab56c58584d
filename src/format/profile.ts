/**
 * The profile model: google/pprof's profile.proto as flat arrays.
 *
 * A profile of 100,000 samples has millions of stack entries. As objects they take longer to write than Go
 * takes; as typed arrays, less than half of it. Tables are parallel arrays, an entry is an index into them, and
 * what has a variable length (a stack, labels) is a slice between two neighbouring `…Start` entries.
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
  /** Line at which the function begins; 0 where unknown. */
  readonly startLine: Uint32Array;
}

/** Places in the code: one function and one line each. Two places never have the same address. */
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

/** Sets of labels; set `i` is `start[i]` to `start[i + 1]`, sorted by key. Set 0 is empty. */
export interface LabelSetTable {
  readonly length: number;
  readonly start: Uint32Array;
  /** Indexes into `Profile.strings`. */
  readonly key: Uint32Array;
  /** Index into `Profile.strings`; 0 where the label is a number. */
  readonly text: Uint32Array;
  readonly number: Float64Array;
}

/** Samples; the stack of sample `i` is `stackStart[i]` to `stackStart[i + 1]`, leaf first and never empty. */
export interface SampleTable {
  readonly length: number;
  readonly stackStart: Uint32Array;
  /** Indexes into `Profile.locations`. */
  readonly stack: Uint32Array;
  /** `sampleTypes.length` values for each sample, one sample after the other. */
  readonly values: Float64Array;
  /** Index into `Profile.labelSets`. */
  readonly labelSet: Uint32Array;
}

/** What a profile says of itself. */
export interface ProfileHeader {
  readonly sampleTypes: readonly ValueType[];
  /** The sample type that clients show first; empty: the last one. */
  readonly defaultSampleType: string;
  readonly periodType: ValueType;
  /** Between two samples, in `periodType.unit`. */
  readonly period: number;
  /** Begin of the collection, in nanoseconds since 1970. */
  readonly timeNanos: bigint;
  /** 0 for a profile that covers no span of time. */
  readonly durationNanos: number;
  readonly comments: readonly string[];
}

/** A whole profile. */
export interface Profile extends ProfileHeader {
  /** `strings[0]` is the empty string. */
  readonly strings: readonly string[];
  /** The program that the frames belong to, which clients print as `File:`. */
  readonly program: string;
  readonly functions: FunctionTable;
  readonly locations: LocationTable;
  readonly labelSets: LabelSetTable;
  readonly samples: SampleTable;
}

/** One entry of a stack, with its strings looked up. */
export interface Frame {
  readonly name: string;
  readonly filename: string;
  readonly line: number;
}

/** What is known of a sample besides its stack, such as the size of its objects. */
export type Labels = Readonly<Record<string, string | number>>;

/** One sample, with everything looked up. */
export interface Sample {
  /** Leaf first. */
  readonly stack: readonly Frame[];
  /** In the order of `Profile.sampleTypes`. */
  readonly values: readonly number[];
  readonly labels: Labels;
}

/**
 * The samples as objects, one at a time.
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
