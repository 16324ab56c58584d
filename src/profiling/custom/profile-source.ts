import type { Frame, Labels, ValueType } from '../../format/profile.js';
import { ProfilerArgumentError } from '../errors.js';

/** Name and description of a custom profile. */
export interface CustomProfileOptions {
  /**
   * The last part of its path, and its sample type: letters, digits and `._~-`, optionally in several parts joined by slashes, such
   * as `db_connections` or `example.com/jobs`. Pyroscope rejects sample types with `-`.
   */
  readonly name: string;
  /** A sentence for the index page. */
  readonly description: string;
}

/** Options of {@link ProfileSource}. */
export interface ProfileSourceOptions extends CustomProfileOptions {
  /**
   * Types and units of a sample's values, one to four. The first one is also the profile's period type.
   * @default [{ type: name, unit: 'count' }]
   */
  readonly sampleTypes?: readonly ValueType[];
  /**
   * Whether the values only grow while the process runs, such as counts of events. Then `seconds=N` returns how much they
   * grow in that time; otherwise a request with `seconds` gets 400.
   * @default false
   */
  readonly cumulative?: boolean;
}

/** A sample that {@link ProfileSampleSource.samples} returns. */
export interface SourceSample {
  /**
   * Frames, innermost first. A plain string is a name without a source location.
   * @default one frame, `(no stack)`
   */
  readonly stack?: readonly (Frame | string)[];
  /** One number per sample type, or a single number if there is one type. Rounded to whole numbers. */
  readonly values: readonly number[] | number;
  readonly labels?: Labels;
}

/** The interface that a class with {@link ProfileSource} implements. */
export interface ProfileSampleSource {
  /**
   * Returns the current samples; called on each read. It must be synchronous. If it throws, the read fails with a
   * {@link ProfilerCollectError}.
   */
  samples(): Iterable<SourceSample>;
}

/** Metadata key of a source's options, on its class's prototype or on the source itself. */
const SOURCE = 'nestjs-pprof:profile-source';

/** Alloy accepts at most this many values in a sample. */
const MAX_TYPES = 4;

/** No segment of dots alone: clients resolve these before they send a path. */
const NAME = /^(?!(.*\/)?\.{1,2}(\/|$))[\w.~-]+(\/[\w.~-]+)*$/;

/**
 * Registers a provider as a named profile. Its `samples()` method runs on each read.
 *
 * @example
 * \@ProfileSource({ name: 'jobs', description: 'Waiting jobs by kind.' })
 * \@Injectable()
 * export class JobsProfile implements ProfileSampleSource {
 *   constructor(private readonly queue: Queue) {}
 *   samples() {
 *     return this.queue.kinds().map(({ name, waiting }) => ({ stack: [name], values: waiting }));
 *   }
 * }
 *
 * @throws ProfilerArgumentError if an option is invalid
 * @publicApi
 */
export function ProfileSource(options: ProfileSourceOptions) {
  checkSource(options);
  return (type: abstract new (...args: never[]) => ProfileSampleSource): void =>
    markSource(type.prototype as object, options);
}

/** Stores the options of a source, on itself or on its class's prototype. */
export function markSource(source: object, options: ProfileSourceOptions): void {
  Reflect.defineMetadata(SOURCE, options, source);
}

/** The options of a source; undefined if the object is not a source. */
export function sourceOptionsOf(instance: unknown): ProfileSourceOptions | undefined {
  if (typeof instance !== 'object' || instance === null) return undefined;
  return Reflect.getMetadata(SOURCE, instance) as ProfileSourceOptions | undefined;
}

/** @throws ProfilerArgumentError if an option is invalid */
export function checkProfile({ name, description, ...rest }: CustomProfileOptions): void {
  if (typeof name !== 'string' || !NAME.test(name)) {
    throw invalid(
      'profile name',
      name,
      'letters, digits and ._~- such as "db_connections" or "example.com/jobs"',
    );
  }
  if (typeof description !== 'string' || !description) {
    throw invalid(`description of profile ${name}`, description, 'a sentence');
  }
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw new ProfilerArgumentError(`profile ${name}: unknown option "${unknown}"`);
}

function checkSource({ sampleTypes, cumulative, ...options }: ProfileSourceOptions): void {
  checkProfile(options);
  if (sampleTypes !== undefined && !areTypes(sampleTypes)) {
    const expected = `one to ${MAX_TYPES} such as { type: "waiting", unit: "count" }`;
    throw invalid(`sampleTypes of profile ${options.name}`, sampleTypes, expected);
  }
  if (cumulative !== undefined && typeof cumulative !== 'boolean')
    throw invalid(`cumulative of profile ${options.name}`, cumulative, 'true or false');
}

function areTypes(types: unknown): boolean {
  if (!Array.isArray(types) || types.length === 0 || types.length > MAX_TYPES) return false;
  return types.every(({ type, unit }: ValueType) =>
    [type, unit].every((text) => text && typeof text === 'string'),
  );
}

function invalid(what: string, value: unknown, expected: string): ProfilerArgumentError {
  return new ProfilerArgumentError(`invalid ${what} ${JSON.stringify(value)}: expected ${expected}`);
}
