import type { Frame, Labels, ValueType } from '../../format/profile.js';
import { ProfilerArgumentError } from '../errors.js';

/** What a profile of the application is called. */
export interface CustomProfileOptions {
  /**
   * The last part of its path, and the type of its samples: letters, digits and `._~-`, between slashes if there are any, such
   * as `db_connections` or `example.com/jobs`. Pyroscope refuses sample types with `-`.
   */
  readonly name: string;
  /** A sentence for the index. */
  readonly description: string;
}

/** Options of {@link ProfileSource}. */
export interface ProfileSourceOptions extends CustomProfileOptions {
  /**
   * What the values of a sample are, one to four; the first one is also the profile's period type.
   * @default [{ type: name, unit: 'count' }]
   */
  readonly sampleTypes?: readonly ValueType[];
  /**
   * The values only rise while the process runs, such as counts of events: `seconds=N` shows how much they rise in that time.
   * @default false: `seconds` gets 400
   */
  readonly cumulative?: boolean;
}

/** A sample that a source computes. */
export interface SourceSample {
  /**
   * Innermost first; a string is a label without a source location.
   * @default one frame, `(no stack)`
   */
  readonly stack?: readonly (Frame | string)[];
  /** A number of each sample type, or the number if there is one type; rounded to a whole number. */
  readonly values: readonly number[] | number;
  readonly labels?: Labels;
}

/** What a class with {@link ProfileSource} implements. */
export interface ProfileSampleSource {
  /** The samples now, not a promise of them; called on each read. If it throws, the read fails with a {@link ProfilerCollectError}. */
  samples(): Iterable<SourceSample>;
}

/** Under this key the prototype of a source's class, or the source itself, has its options. */
const SOURCE = 'nestjs-pprof:profile-source';

/** Alloy accepts no more values in a sample. */
const MAX_TYPES = 4;

/** No segment of dots alone: clients resolve these before they send a path. */
const NAME = /^(?!(.*\/)?\.{1,2}(\/|$))[\w.~-]+(\/[\w.~-]+)*$/;

/**
 * Makes a provider a named profile: `samples()` runs on each read.
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
 * @throws ProfilerArgumentError that names what is wrong with the options
 * @publicApi
 */
export function ProfileSource(options: ProfileSourceOptions) {
  checkSource(options);
  return (type: abstract new (...args: never[]) => ProfileSampleSource): void =>
    markSource(type.prototype as object, options);
}

/** Notes the options of a source, on itself or on its class's prototype. */
export function markSource(source: object, options: ProfileSourceOptions): void {
  Reflect.defineMetadata(SOURCE, options, source);
}

/** The options of what may be a source; undefined for anything else. */
export function sourceOptionsOf(instance: unknown): ProfileSourceOptions | undefined {
  if (typeof instance !== 'object' || instance === null) return undefined;
  return Reflect.getMetadata(SOURCE, instance) as ProfileSourceOptions | undefined;
}

/** @throws ProfilerArgumentError that names what is wrong */
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
