import { Inject } from '@nestjs/common';
import { type CallerFrame, callStackOf, stackKey } from '../../sampling/call-stack.js';
import {
  checkProfile,
  type CustomProfileOptions,
  markSource,
  type ProfileSampleSource,
  type SourceSample,
} from './profile-source.js';

/** Number of values that were added by the same stack. */
interface StackCount {
  readonly key: string;
  readonly stack: readonly CallerFrame[];
  count: number;
}

/**
 * A custom profile, such as of open connections: it tracks live values and shows the stacks that added the ones still present.
 * Like Go's `pprof.NewProfile`.
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

  /** Number of values that were added and not removed. */
  count(): number {
    return this.addedBy.size;
  }

  /**
   * Adds a value and records the caller's stack. The profile references the value until it is removed.
   *
   * @param value compared like the keys of a `Map`
   * @throws Error if the profile already has the value
   */
  add(value: unknown): void {
    if (this.addedBy.has(value)) throw new Error(`profile ${this.name} already has this value`);
    const added = this.stackCount(callStackOf(this.add));
    added.count++;
    this.addedBy.set(value, added);
  }

  /** Removes a value. Does nothing if the profile does not have it. */
  remove(value: unknown): void {
    const added = this.addedBy.get(value);
    if (!added) return;
    this.addedBy.delete(value);
    if (--added.count === 0) this.stacks.delete(added.key);
  }

  /** One sample per stack, with the number of present values that it added. */
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

/** Returns the injection token of a profile registered with `PprofModule.forFeature`, for example to replace it in a test. */
export function getProfileToken(name: string): symbol {
  return Symbol.for(`nestjs-pprof/profile ${name}`); // the same in the ESM and the CommonJS copy of this package
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
