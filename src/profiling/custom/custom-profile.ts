import { Inject } from '@nestjs/common';
import { type CallerFrame, callStackOf, stackKey } from '../../sampling/call-stack.js';
import {
  checkProfile,
  type CustomProfileOptions,
  markSource,
  type ProfileSampleSource,
  type SourceSample,
} from './profile-source.js';

/** Values that were added by the same stack. */
interface StackCount {
  readonly key: string;
  readonly stack: readonly CallerFrame[];
  count: number;
}

/**
 * A profile that the application keeps, such as its open connections: it tracks live values and shows the stacks that added
 * the ones still present. Go's `pprof.NewProfile`.
 *
 * @publicApi
 */
export class CustomProfile implements ProfileSampleSource {
  readonly name: string;
  readonly description: string;
  private readonly addedBy = new Map<unknown, StackCount>();
  private readonly stacks = new Map<string, StackCount>();

  /** @internal use `PprofModule.forFeature` or `profiler.newProfile` */
  constructor(options: CustomProfileOptions) {
    checkProfile(options);
    this.name = options.name;
    this.description = options.description;
    markSource(this, options);
  }

  /** Number of values that are present. */
  count(): number {
    return this.addedBy.size;
  }

  /**
   * Adds a value, and remembers the caller's stack. The value is held until it is removed.
   *
   * @param value compared as the keys of a `Map`
   * @throws Error if it is present already
   */
  add(value: unknown): void {
    if (this.addedBy.has(value)) throw new Error(`profile ${this.name} already has this value`);
    const added = this.stackCount(callStackOf(this.add));
    added.count++;
    this.addedBy.set(value, added);
  }

  /** Removes a value; does nothing if it is not present. */
  remove(value: unknown): void {
    const added = this.addedBy.get(value);
    if (!added) return;
    this.addedBy.delete(value);
    if (--added.count === 0) this.stacks.delete(added.key);
  }

  /** The stacks, each with the number of present values that it added. */
  samples(): SourceSample[] {
    return Array.from(this.stacks.values(), ({ stack, count }) => ({ stack, values: count }));
  }

  private stackCount(stack: readonly CallerFrame[]): StackCount {
    const key = stackKey(stack);
    const known = this.stacks.get(key) ?? { key, stack, count: 0 };
    this.stacks.set(key, known);
    return known;
  }
}

/** The injection token of a profile of `PprofModule.forFeature`, for tests that provide another one. */
export function getProfileToken(name: string): symbol {
  return Symbol.for(`nestjs-pprof/profile ${name}`); // one for the ESM and the CommonJS copy of this package
}

/**
 * Injects a profile that the module registered with `PprofModule.forFeature`.
 *
 * @example
 * constructor(@InjectProfile('db_connections') private readonly connections: CustomProfile) {}
 *
 * @publicApi
 */
export function InjectProfile(name: string): ParameterDecorator & PropertyDecorator {
  return Inject(getProfileToken(name));
}
