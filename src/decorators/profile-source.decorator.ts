import { SetMetadata } from '@nestjs/common';
import type { ValueType } from '../format/profile.js';

/** What a profile source is called, and what it counts. */
export interface ProfileSourceOptions {
  /** The last part of its path. */
  readonly name: string;
  /** A sentence for the index. */
  readonly description: string;
  /**
   * What the values of a sample are, at most four.
   * @default [{ type: name, unit: 'count' }]
   */
  readonly sampleTypes?: readonly ValueType[];
  /**
   * The values count up from the start: `seconds=N` shows what is added in that time.
   * @default false: `seconds` is refused
   */
  readonly cumulative?: boolean;
}

/** A frame of a sample that a source computes; a string is a name that stands for no code. */
export type SourceFrame =
  string | { readonly name: string; readonly filename: string; readonly line: number };

/** One sample of a source. */
export interface SourceSample {
  /** Innermost first. */
  readonly stack: readonly SourceFrame[];
  /** In the order of the sample types. */
  readonly values: readonly number[];
  readonly labels?: Readonly<Record<string, string | number>>;
}

/** Alloy takes no more. */
const MOST_TYPES = 4;

/** What a class with {@link ProfileSource} has. */
export interface ProfileSampleSource {
  /** The samples as they are now. */
  samples(): Iterable<SourceSample> | Promise<Iterable<SourceSample>>;
}

const SOURCE = 'nestjs-pprof:profile-source';

/**
 * Makes a provider a profile, beside the built-in ones: it computes the samples whenever the profile is read.
 *
 * @example
 * \@ProfileSource({ name: 'queue', description: 'Jobs that wait, by kind.' })
 * \@Injectable()
 * export class QueueProfile implements ProfileSampleSource {
 *   constructor(private readonly queue: Queue) {}
 *   samples() {
 *     return this.queue.kinds().map((kind) => ({ stack: [kind.name], values: [kind.waiting] }));
 *   }
 * }
 *
 * @throws Error if there are no sample types, or too many
 * @publicApi
 */
export function ProfileSource(options: ProfileSourceOptions): ClassDecorator {
  const { sampleTypes } = options;
  if (sampleTypes && !(sampleTypes.length > 0 && sampleTypes.length <= MOST_TYPES)) {
    throw new Error(
      `ProfileSource: the list of sample types is ${JSON.stringify(sampleTypes)}; it takes one to ${MOST_TYPES}`,
    );
  }
  return SetMetadata(SOURCE, options);
}

/** The options of a class with {@link ProfileSource}; undefined for others. */
export function profileSourceOf(type: object): ProfileSourceOptions | undefined {
  return Reflect.getMetadata(SOURCE, type) as ProfileSourceOptions | undefined;
}
