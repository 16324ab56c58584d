import type { CapturedProfile, DevToolsFormat } from '../captured-profile.js';

/** How to read a named profile. */
export interface CollectOptions {
  /** Collect the garbage first; only `heap` heeds it, as in Go. */
  readonly gc?: boolean;
}

/** A profile that is there all the time and can be read by its name: Go's `pprof.Lookup(name)`. */
export interface NamedProfile {
  readonly name: string;
  /** The format beside pprof's own that it can be had in. */
  readonly devToolsFormat?: DevToolsFormat;
  /** Number of records at the last reading: to ask for it captures nothing. */
  count(): number;
  collect(options?: CollectOptions): Promise<CapturedProfile>;
}
