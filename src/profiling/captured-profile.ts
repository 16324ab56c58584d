import { writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import { encodeProfile } from '../format/encode.js';
import type { Profile } from '../format/profile.js';
import { speedscopeText } from '../format/speedscope.js';
import { legacyText } from '../format/text.js';
import { reasonOf } from '../sampling/reason.js';
import { ProfilerArgumentError } from './errors.js';
import { type HoldMeter, runSliced } from './loop.js';

const compress = promisify(gzip);

/** The formats that Chrome's DevTools and VS Code open, by file extension. */
export type DevToolsFormat = 'cpuprofile' | 'heapprofile';

/** The formats for other viewers than `go tool pprof`: Chrome's DevTools, and speedscope, which opens every profile. */
export type ViewerFormat = DevToolsFormat | 'speedscope';

/** Forms of a profile beside profile.proto and Go's text. */
export interface OtherForms {
  /** The JSON for Chrome's DevTools. */
  readonly devTools?: { readonly format: DevToolsFormat; readonly text: () => Generator<void, string[]> };
  /** Lines after the records of Go's text. */
  readonly textTrailer?: () => readonly string[];
  /** Go's `debug=2`, which no tool parses, in pieces. */
  readonly dump?: () => Generator<void, string[]>;
}

/** The result of a capture. */
export class CapturedProfile {
  /** @internal */
  constructor(
    /** Name of the profile, `profile` for CPU samples. */
    readonly name: string,
    /** The profile itself; `samplesOf(profile)` gives its samples as objects. */
    readonly profile: Profile,
    private readonly holds: HoldMeter,
    private readonly forms: OtherForms = {},
  ) {}

  /** The longest time that the capture has held the event loop so far, in ms, including V8's own work. */
  get longestHoldMs(): number {
    return this.holds.longestMs;
  }

  /** Encodes the profile as gzipped profile.proto, which `go tool pprof` and scrapers read. */
  async encode(): Promise<Buffer> {
    const bytes = await runSliced(encodeProfile(this.profile), this.holds);
    return compress(bytes, { level: constants.Z_BEST_SPEED }); // Go's level too
  }

  /**
   * Encodes the profile as Go's text, for people and for tools that read the formats before profile.proto.
   *
   * @param debug above 1: one block for each execution, for people only, if the profile has executions
   */
  encodeText(debug = 1): Promise<Buffer> {
    if (debug > 1 && this.forms.dump) return this.joined(this.forms.dump());
    return this.joined(legacyText(this.name, this.profile, this.forms.textTrailer?.()));
  }

  /**
   * JSON for another viewer: `cpuprofile` and `heapprofile` open in Chrome's DevTools and VS Code, `speedscope` in
   * https://www.speedscope.app.
   *
   * @throws ProfilerArgumentError for `cpuprofile` or `heapprofile` if the profile is not of the CPU or the heap
   */
  async encodeAs(format: ViewerFormat): Promise<Buffer> {
    const { devTools } = this.forms;
    if (format === 'speedscope') return this.joined(speedscopeText(this.name, this.profile));
    if (format === devTools?.format) return this.joined(devTools.text());
    const known = devTools ? `${devTools.format} or speedscope` : 'speedscope';
    throw new ProfilerArgumentError(
      `invalid format ${JSON.stringify(format)} for the profile ${this.name}: expected ${known}`,
    );
  }

  /**
   * Writes a file, in the format that its extension names: `.cpuprofile`, `.heapprofile` or `.speedscope.json` (see
   * {@link encodeAs}). Any other name gets {@link encode}'s result, which `go tool pprof <path>` opens.
   *
   * @throws ProfilerArgumentError if the profile does not have the format
   * @throws Error of `node:fs` if the file cannot be written; its message names the flag if the permission model denies it
   */
  async toFile(path: string): Promise<void> {
    const format = /\.(?:(cpuprofile|heapprofile)|(speedscope)\.json)$/.exec(path);
    const bytes = await (format ? this.encodeAs((format[1] ?? format[2]) as ViewerFormat) : this.encode());
    await writeFile(path, bytes).catch((error: Error) => {
      throw Object.assign(error, { message: reasonOf(error) });
    });
  }

  private async joined(text: Generator<void, string[]>): Promise<Buffer> {
    const pieces = await runSliced(text, this.holds);
    return runSliced(bytesOf(pieces), this.holds);
  }
}

function* bytesOf(pieces: readonly string[]): Generator<void, Buffer> {
  let length = 0;
  for (const piece of pieces) {
    yield;
    length += Buffer.byteLength(piece); // which reads all of it
  }
  const bytes = Buffer.allocUnsafe(length);
  let position = 0;
  for (const piece of pieces) {
    yield;
    position += bytes.write(piece, position);
  }
  return bytes;
}
