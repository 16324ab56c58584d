import { writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import type { Profile } from '../format/profile.js';
import { legacyText } from '../format/legacy/text.js';
import { encodeProfile } from '../format/wire.js';
import type { HoldMeter } from './hold-meter.js';
import { runSliced } from './slices.js';

const compress = promisify(gzip);

/** What Chrome's DevTools and VS Code open, by its extension. */
export type DevToolsFormat = 'cpuprofile' | 'heapprofile';

/** Other forms of a capture than the profile itself. */
export interface OtherForms {
  /** The JSON for Chrome's DevTools. */
  readonly devToolsText?: () => Generator<void, string[]>;
  /** Lines that Go's text of this profile has at its end. */
  readonly trailer?: readonly string[];
  /** What `debug=2` shows in place of that text. */
  readonly dump?: (() => Generator<void, string[]>) | undefined;
}

/** The result of a capture. */
export class CapturedProfile {
  constructor(
    /** What it is a profile of, such as `heap`. */
    readonly name: string,
    /** The profile itself; `samplesOf(profile)` gives its samples as objects. */
    readonly profile: Profile,
    private readonly holds: HoldMeter,
    private readonly otherForms: OtherForms = {},
  ) {}

  /** The longest time that the capture has held the event loop so far, in ms; V8's own work is in it. */
  get longestHoldMs(): number {
    return this.holds.longestMs;
  }

  /** Gzipped profile.proto, as `go tool pprof` and scrapers read it. */
  async encode(): Promise<Buffer> {
    const bytes = await runSliced(encodeProfile(this.profile), this.holds);
    return compress(bytes, { level: constants.Z_BEST_SPEED }); // Go's level too
  }

  /**
   * Go's text for people, as `debug=1` shows it.
   *
   * @param debug from 2 on a profile that has one gives its dump, as `goroutine` does
   */
  async encodeText(debug = 1): Promise<Buffer> {
    const { trailer, dump } = this.otherForms;
    const text = debug >= 2 && dump ? dump() : legacyText(this.name, this.profile, trailer);
    const pieces = await runSliced(text, this.holds);
    return runSliced(bytesOf(pieces), this.holds);
  }

  /**
   * The JSON that Chrome's DevTools and VS Code open, as a `.cpuprofile` or `.heapprofile`.
   *
   * @throws Error for a profile that they do not know
   */
  async encodeForDevTools(): Promise<Buffer> {
    const { devToolsText } = this.otherForms;
    if (!devToolsText) throw new Error(`DevTools have no format for the profile ${this.name}`);
    const pieces = await runSliced(devToolsText(), this.holds);
    return runSliced(bytesOf(pieces), this.holds);
  }

  /**
   * Writes a file: {@link encodeForDevTools}'s result where the path ends in `.cpuprofile` or `.heapprofile`, else
   * {@link encode}'s, which `go tool pprof <path>` opens.
   *
   * @throws Error of `node:fs` where the file cannot be written
   */
  async toFile(path: string): Promise<void> {
    const isForDevTools = /\.(cpu|heap)profile$/.test(path);
    await writeFile(path, await (isForDevTools ? this.encodeForDevTools() : this.encode()));
  }
}

function* bytesOf(pieces: readonly string[]): Generator<void, Buffer> {
  let length = 0;
  for (const piece of pieces) {
    yield;
    length += Buffer.byteLength(piece);
  }
  const bytes = Buffer.allocUnsafe(length);
  let position = 0;
  for (const piece of pieces) {
    yield;
    position += bytes.write(piece, position);
  }
  return bytes;
}
