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

/** Samples; the stack of sample `i` is `stackStart[i]` to `stackStart[i + 1]`, leaf first. */
export interface SampleTable {
  readonly length: number;
  readonly stackStart: Uint32Array;
  /** Indexes into `Profile.locations`. */
  readonly stack: Uint32Array;
  /** `sampleTypes.length` values for each sample, one sample after the other. */
  readonly values: Float64Array;
  readonly labelStart: Uint32Array;
  /** Indexes into `Profile.strings`. */
  readonly labelKey: Uint32Array;
  /** Index into `Profile.strings`; 0 where the label is a number. */
  readonly labelText: Uint32Array;
  readonly labelNumber: Float64Array;
  /** Index into `Profile.strings`; 0 for no unit. */
  readonly labelUnit: Uint32Array;
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
  readonly samples: SampleTable;
}

/** One entry of a stack, with its strings looked up. */
export interface Frame {
  readonly name: string;
  readonly filename: string;
  readonly line: number;
}

/** One sample, with everything looked up. */
export interface Sample {
  /** Leaf first. */
  readonly stack: readonly Frame[];
  /** In the order of `Profile.sampleTypes`. */
  readonly values: readonly number[];
  readonly labels: Readonly<Record<string, string | number>>;
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
      labels: labelsOf(profile, i),
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

function labelsOf({ samples, strings }: Profile, sample: number): Record<string, string | number> {
  const labels: Record<string, string | number> = {};
  for (let label = samples.labelStart[sample]!; label < samples.labelStart[sample + 1]!; label++) {
    const text = samples.labelText[label]!;
    labels[strings[samples.labelKey[label]!]!] = text === 0 ? samples.labelNumber[label]! : strings[text]!;
  }
  return labels;
}
