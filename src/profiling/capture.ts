import { writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { Observable, Subject } from 'rxjs';
import type { Profile } from '../format/profile.js';
import { legacyText } from '../format/text.js';
import { encodeProfile } from '../format/encode.js';
import { PPROF_OPTIONS, type ResolvedPprofOptions } from '../pprof.options.js';
import { reasonOf } from '../sampling/reason.js';
import { ProfilerCanceledError } from './errors.js';
import { type HoldMeter, runSliced } from './loop.js';

const compress = promisify(gzip);

/** What Chrome's DevTools and VS Code open, by its extension. */
export type DevToolsFormat = 'cpuprofile' | 'heapprofile';

/** Forms of a profile beside profile.proto and Go's text. */
export interface OtherForms {
  /** The JSON for Chrome's DevTools, in pieces. */
  readonly devToolsText?: () => Generator<void, string[]>;
  /** Lines after the records of Go's text. */
  readonly textTrailer?: () => readonly string[];
  /** Go's `debug=2`, for people alone, in pieces. */
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
   * Go's text, for people and for readers of the formats before profile.proto.
   *
   * @param debug above 1: one block for each execution, which is for people alone, where the profile has that
   */
  encodeText(debug = 1): Promise<Buffer> {
    if (debug > 1 && this.forms.dump) return this.joined(this.forms.dump());
    return this.joined(legacyText(this.name, this.profile, this.forms.textTrailer?.()));
  }

  /**
   * The JSON that Chrome's DevTools and VS Code open, as a `.cpuprofile` or `.heapprofile`.
   *
   * @throws Error for a profile that is neither of the CPU nor of the heap
   */
  encodeForDevTools(): Promise<Buffer> {
    if (!this.forms.devToolsText) throw new Error(`DevTools have no format for the profile ${this.name}`);
    return this.joined(this.forms.devToolsText());
  }

  /**
   * Writes a file: {@link encodeForDevTools}'s result if the path ends in `.cpuprofile` or `.heapprofile`, otherwise
   * {@link encode}'s, which `go tool pprof <path>` opens.
   *
   * @throws Error of `node:fs` if the file cannot be written; its message names the flag if the permission model denies it
   */
  async toFile(path: string): Promise<void> {
    const isForDevTools = /\.(cpu|heap)profile$/.test(path);
    const bytes = await (isForDevTools ? this.encodeForDevTools() : this.encode());
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

/** What operators learn of a capture when it has ended. */
export interface CaptureEvent {
  /** Name of the profile; with `-delta` if it is a window's. */
  readonly profile: string;
  /** Who asked: the address of the peer, or `code`. */
  readonly peer: string;
  /** Duration of the capture, including encoding. */
  readonly seconds: number;
  /** Size of the reply; undefined for a capture in code, which is encoded when the caller wants it. */
  readonly bytes: number | undefined;
  /** The longest time that it held the event loop, in ms. */
  readonly longestHoldMs: number;
  /** `false`: the client went away before it ended, or something else ended the response. */
  readonly received: boolean;
}

/** Which capture it is. */
export interface CaptureRequest {
  readonly profile: string;
  /** @default 'code' */
  readonly peer?: string;
  /** `performance.now()` at its start. */
  readonly since?: number;
  /** Aborted with a {@link NobodyWaitsError} when nobody waits for it any more. */
  readonly signal?: AbortSignal;
}

/** The reason of a signal that is aborted since the client has gone away or something else has replied. */
export class NobodyWaitsError extends Error {
  override readonly name = 'NobodyWaitsError';
}

/** Every capture goes through here: a line in the log, and an event. */
@Injectable()
export class Captures {
  private readonly logger = new Logger('PprofModule');
  private readonly subject = new Subject<CaptureEvent>();

  readonly events: Observable<CaptureEvent> = this.subject.asObservable();

  constructor(
    @Inject(PPROF_OPTIONS) private readonly options: Pick<ResolvedPprofOptions, 'profileComments'>,
  ) {}

  /** A capture in code. */
  async run(request: CaptureRequest, take: () => Promise<CapturedProfile>): Promise<CapturedProfile> {
    const { since = performance.now() } = request;
    const captured = await take();
    this.report({ ...request, since }, captured, undefined);
    return captured;
  }

  /**
   * A capture that is encoded right away.
   *
   * @throws ProfilerCanceledError if nobody waits for it when it has ended
   */
  async encoded(
    request: CaptureRequest,
    take: () => Promise<CapturedProfile>,
    encode: (captured: CapturedProfile) => Promise<Buffer>,
  ): Promise<Buffer> {
    const { since = performance.now() } = request;
    let captured: CapturedProfile | undefined;
    try {
      captured = await take();
      if (!isAwaited(request)) throw new ProfilerCanceledError(request.signal?.reason);
      const bytes = await encode(captured);
      this.report({ ...request, since }, captured, bytes.length);
      return bytes;
    } catch (error) {
      if (!isAwaited(request)) this.report({ ...request, since }, captured, 0);
      throw error;
    }
  }

  /** A capture whose bytes are given away while it is under way; it ends with them. */
  async *streamed(
    request: CaptureRequest,
    holds: HoldMeter,
    pieces: AsyncIterable<Uint8Array>,
  ): AsyncGenerator<Uint8Array, void> {
    const { since = performance.now() } = request;
    let bytes = 0;
    try {
      for await (const piece of pieces) {
        bytes += piece.length;
        yield piece;
      }
    } catch (error) {
      if (isAwaited(request)) this.logger.error(`The ${request.profile} is cut off: ${reasonOf(error)}`);
      throw error;
    } finally {
      this.report({ ...request, since }, { longestHoldMs: holds.longestMs }, bytes);
    }
  }

  /**
   * What each profile says of itself; `go tool pprof -comments` prints it.
   *
   * @param about what is true of this profile alone
   */
  comments(about: readonly string[]): string[] {
    return comments(this.options.profileComments, about);
  }

  private report(
    request: CaptureRequest & { since: number },
    { longestHoldMs }: Pick<CapturedProfile, 'longestHoldMs'> = { longestHoldMs: 0 },
    bytes: number | undefined,
  ): void {
    const { profile, peer = 'code', since } = request;
    const seconds = (performance.now() - since) / 1000;
    const event = { profile, peer, seconds, bytes, longestHoldMs, received: isAwaited(request) };
    this.logger.log(lineOf(event));
    this.subject.next(event);
  }
}

function isAwaited({ signal }: CaptureRequest): boolean {
  return !(signal?.reason instanceof NobodyWaitsError);
}

function lineOf({ profile, peer, seconds, bytes, longestHoldMs, received }: CaptureEvent): string {
  const size = bytes === undefined ? '' : ` ${bytes} bytes,`;
  const result = received ? size : ' nobody received it (the client left, or something else replied),';
  return `${profile} for ${peer}: ${seconds.toFixed(3)} s,${result} held the event loop for ${longestHoldMs.toFixed(1)} ms at most`;
}

/**
 * The comments of a profile.
 *
 * @param given the option `profileComments`
 * @param about what is true of this profile alone
 */
export function comments(given: readonly string[], about: readonly string[]): string[] {
  return [
    ...given,
    ...about,
    `node ${process.version}, V8 ${process.versions.v8}, ${process.platform} ${process.arch}`,
    `host ${hostname()}, pid ${process.pid}`,
  ];
}
