import type { Writable } from 'node:stream';
import type { CapturedProfile, DevToolsFormat } from '../captured-profile.js';

/** How to read a named profile. */
export interface CollectOptions {
  /** Collect the garbage first; only `heap` heeds it, as in Go. */
  readonly gc?: boolean;
}

/** A span of time of a profile that has begun. */
export interface ProfileWindow {
  /** Ends it: what happened since it was opened. */
  end(): Promise<CapturedProfile>;
  /** Gives it up. What it started is stopped; nothing happens after {@link end}. */
  close(): void;
}

/** A profile that is there all the time and can be read by its name: Go's `pprof.Lookup(name)`. */
export abstract class NamedProfile {
  abstract readonly name: string;
  /** A sentence for the index. */
  abstract readonly description: string;
  /** Whether it can be asked for a window of time: `seconds=`. */
  get hasWindows(): boolean {
    return false;
  }
  /** What a visitor of the index should know of it now, such as that it is off and how to switch it on. */
  get hint(): string | undefined {
    return undefined;
  }
  /** Whether `debug=2` shows more than `debug=1`. */
  readonly hasDump: boolean = false;
  /** The format beside pprof's own that it can be had in. */
  readonly devToolsFormat?: DevToolsFormat;

  private lastCount = 0;

  /** Number of records at the last reading: to ask for it captures nothing. */
  count(): number {
    return this.lastCount;
  }

  /** The profile as it is now. */
  async collect(options: CollectOptions = {}): Promise<CapturedProfile> {
    const captured = await this.take(options);
    this.lastCount = captured.profile.samples.length;
    return captured;
  }

  /** Begins a window; undefined for a profile that has none. */
  openWindow(): Promise<ProfileWindow | undefined> {
    return Promise.resolve(undefined);
  }

  /**
   * Writes the profile as it is now, as Go's `WriteTo`; the stream stays open.
   *
   * @param debug 0: gzipped profile.proto; 1: text; 2: of goroutines, a block for each
   * @throws the stream's error
   */
  async writeTo(stream: Writable, debug = 0): Promise<void> {
    const captured = await this.collect();
    const bytes = await (debug === 0 ? captured.encode() : captured.encodeText(debug));
    await new Promise<void>((resolve, reject) => {
      stream.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
  }

  protected abstract take(options: CollectOptions): Promise<CapturedProfile>;
}
