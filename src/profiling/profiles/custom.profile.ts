import { callStack } from '../../sampling/call-stack.js';
import type { RawFrame } from '../../sampling/sampler.js';
import type { CapturedProfile } from '../captured-profile.js';
import type { ProfileMaker } from '../profile-maker.js';
import { NamedProfile } from './named-profile.js';

/** Of a profile of `PprofModule.forFeature`. */
export interface CustomProfileOptions {
  /** The last part of its path, and the type of its samples. */
  readonly name: string;
  /** A sentence for the index. */
  readonly description: string;
}

/**
 * A profile of the application's own, such as open connections: values come and go, and it shows which stacks have added
 * those that are in it. Go's `pprof.NewProfile`.
 *
 * @publicApi
 */
export class CustomProfile extends NamedProfile {
  private readonly stacks = new Map<unknown, readonly RawFrame[]>();
  private maker: ProfileMaker | undefined;

  constructor(
    readonly name: string,
    readonly description: string,
  ) {
    super();
  }

  /** Number of values that are in it now. */
  override count(): number {
    return this.stacks.size;
  }

  /**
   * Adds a value, and remembers who called. It is held until it is removed.
   *
   * @throws Error if it is in the profile already
   */
  add(value: unknown): void {
    if (this.stacks.has(value)) throw new Error(`the profile ${this.name} has this value already`);
    this.stacks.set(value, callStack(this.add));
  }

  /** Removes a value; nothing happens if it is not there. */
  remove(value: unknown): void {
    this.stacks.delete(value);
  }

  /** Lets the profile be read. Of several modules the first one does. */
  servedBy(maker: ProfileMaker): void {
    this.maker ??= maker;
  }

  protected take(): Promise<CapturedProfile> {
    if (!this.maker) throw new Error(`the profile ${this.name} needs PprofModule.forRoot() to be read`);
    const stacks = Array.from(this.stacks.values(), (stack) => ({ stack, values: [1] }));
    return this.maker.make(this.name, [{ type: this.name, unit: 'count' }], stacks);
  }
}
