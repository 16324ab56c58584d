import type { Writable } from 'node:stream';
import { merge, scale } from '../format/merge.js';
import type { Profile } from '../format/profile.js';
import type { Captures } from './capture.js';
import { CapturedProfile, type DevToolsFormat } from './captured-profile.js';
import { HoldMeter, runSliced } from './loop.js';

/** How to read a named profile. */
export interface CollectOptions {
  /**
   * Collect the garbage first, so that `heap` shows only what is held. It stops the process for as long as that takes. As
   * in Go, other profiles ignore it.
   * @default false
   */
  readonly gc?: boolean;
}

/** A span of time of a named profile. */
export interface ProfileWindow {
  /** What happened since it was opened. */
  end(): Promise<CapturedProfile>;
  /** Stops what it started; does nothing after {@link end}. */
  close(): void;
}

/** A named profile as JSON. */
export interface NamedProfileJson {
  readonly name: string;
  readonly description: string;
  /** Number of records at the last reading. */
  readonly count: number;
  /** Whether it gathers anything, and how to switch it on; absent for one that is always on. */
  readonly status?: string;
}

/** A profile that can be read by its name at any time: Go's `pprof.Lookup(name)`. */
export abstract class NamedProfile {
  abstract readonly name: string;
  /** A sentence for the index. */
  abstract readonly description: string;
  /** Whether it gathers nothing now, except in a window. */
  get isOff(): boolean {
    return false;
  }

  /** Whether it gathers anything, and how to switch it on; undefined for one that is always on. */
  get status(): string | undefined {
    return undefined;
  }

  /** The format for DevTools, if the profile has one. */
  readonly devToolsFormat: DevToolsFormat | undefined = undefined;
  /** Whether `debug=2` lists its executions one by one. */
  readonly hasDump: boolean = false;
  /** Whether `seconds=` is supported. */
  readonly hasWindows: boolean = true;
  private lastCount: number | undefined;

  /** @internal */
  constructor(private readonly captures: Captures) {}

  /** Number of records at the last reading; reading it does not capture. */
  count(): number {
    return this.lastCount ?? 0;
  }

  /** Whether {@link count} is that of a reading: there was none yet otherwise. */
  get isCounted(): boolean {
    return this.lastCount !== undefined;
  }

  /** What `JSON.stringify` writes, so that a handler can return profiles. */
  toJSON(): NamedProfileJson {
    const { name, description, status } = this;
    return { name, description, count: this.count(), ...(status !== undefined && { status }) };
  }

  /** The profile as it is now. */
  collect(options?: CollectOptions): Promise<CapturedProfile> {
    return this.captures.run({ profile: this.name }, () => this.take(options));
  }

  /**
   * Writes the profile as it is now, as Go's `WriteTo` does; the stream stays open.
   *
   * @param debug 0: gzipped profile.proto; otherwise Go's text, from 2 on with a block for each goroutine
   * @throws the stream's error, also if it is closed before all is written
   */
  async writeTo(stream: Writable, debug = 0): Promise<void> {
    const bytes = await this.captures.encoded(
      { profile: this.name },
      () => this.take(),
      (captured) => (debug === 0 ? captured.encode() : captured.encodeText(debug)),
    );
    await new Promise<void>((resolve, reject) => {
      stream.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
  }

  /**
   * The capture alone, for those who report it themselves.
   *
   * @internal
   */
  async take(options: CollectOptions = {}): Promise<CapturedProfile> {
    const captured = await this.read(options);
    this.lastCount = captured.profile.samples.length;
    return captured;
  }

  /**
   * Begins a window: at its end, what the profile has gained.
   *
   * @internal
   */
  async openWindow(): Promise<ProfileWindow> {
    const before = await this.readForWindow();
    return { end: async () => difference(before, await this.readForWindow()), close() {} };
  }

  /** A reading of which the difference to another one is taken. */
  protected readForWindow(): Promise<CapturedProfile> {
    return this.read({});
  }

  protected abstract read(options: CollectOptions): Promise<CapturedProfile>;
}

/**
 * What a profile has gained between two readings; its time is that of the later one, its duration lies between them.
 *
 * @param factors of the earlier reading, for each sample type; -1 subtracts
 */
export async function difference(
  before: CapturedProfile,
  after: CapturedProfile,
  factors: number | readonly number[] = -1,
): Promise<CapturedProfile> {
  const holds = new HoldMeter();
  for (const { longestHoldMs } of [before, after]) holds.note(longestHoldMs);
  const profile = await runSliced(subtracted(after.profile, before.profile, factors), holds);
  return new CapturedProfile(after.name, profile, holds);
}

function* subtracted(
  after: Profile,
  before: Profile,
  factors: number | readonly number[],
): Generator<void, Profile> {
  const profile = yield* merge([after, yield* scale(before, factors)]);
  const { timeNanos, comments } = after;
  return { ...profile, timeNanos, durationNanos: Number(timeNanos - before.timeNanos), comments };
}
