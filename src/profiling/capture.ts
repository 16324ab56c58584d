import { writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { Observable, Subject } from 'rxjs';
import type { Profile } from '../format/profile.js';
import { speedscopeText } from '../format/speedscope.js';
import { legacyText } from '../format/text.js';
import { encodeProfile } from '../format/encode.js';
import { PPROF_OPTIONS, type ResolvedPprofOptions } from '../pprof.options.js';
import { reasonOf } from '../sampling/reason.js';
import { causesOf, ProfilerArgumentError, ProfilerCanceledError } from './errors.js';
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

/** Describes a capture that has ended. */
export interface CaptureEvent {
  /** Name of the profile, with `-delta` for a window. */
  readonly profile: string;
  /** Who requested it: the address of the client's socket, or `code`. */
  readonly peer: string;
  /** Duration of the capture, including encoding. */
  readonly seconds: number;
  /** Size of the reply; undefined for a capture in code, which is encoded later. */
  readonly bytes: number | undefined;
  /** The longest time that it held the event loop, in ms. */
  readonly longestHoldMs: number;
  /** `false`: the capture was canceled or failed, for example since the client has closed the connection. */
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

/** A capture in progress. */
export interface RunningCapture {
  readonly profile: string;
  /** Who asked: the address of the peer, or `code`. */
  readonly peer: string;
  /** `performance.now()` at its start. */
  readonly since: number;
}

/** The reason of a signal that is aborted when nobody waits for the reply any more; its message says why. */
export class NobodyWaitsError extends Error {
  override readonly name = 'NobodyWaitsError';
}

/** Runs every capture, and reports it by one line in the log and one event. */
@Injectable()
export class Captures {
  private readonly logger = new Logger('PprofModule');
  private readonly subject = new Subject<CaptureEvent>();

  readonly events: Observable<CaptureEvent> = this.subject.asObservable();

  /** Those in progress, the oldest first. */
  readonly running = new Set<RunningCapture>();

  constructor(
    @Inject(PPROF_OPTIONS) private readonly options: Pick<ResolvedPprofOptions, 'profileComments'>,
  ) {}

  /**
   * Notes a capture in progress.
   *
   * @returns what notes its end
   */
  begin({ profile, peer = 'code', since = performance.now() }: CaptureRequest): () => void {
    const running = { profile, peer, since };
    this.running.add(running);
    return () => this.running.delete(running);
  }

  /** A capture in code. */
  async run(request: CaptureRequest, take: () => Promise<CapturedProfile>): Promise<CapturedProfile> {
    const capture = begun(request);
    const end = this.begin(capture);
    try {
      const captured = await take();
      this.report(capture, captured, undefined);
      return captured;
    } catch (error) {
      this.reportCanceled(capture, undefined, undefined, error);
      throw error;
    } finally {
      end();
    }
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
    const capture = begun(request);
    const end = this.begin(capture);
    let captured: CapturedProfile | undefined;
    try {
      captured = await take();
      if (cancellation(request)) throw new ProfilerCanceledError(request.signal?.reason);
      const bytes = await encode(captured);
      this.report(capture, captured, bytes.length);
      return bytes;
    } catch (error) {
      this.reportCanceled(capture, captured, 0, error);
      throw error;
    } finally {
      end();
    }
  }

  /** A capture that is sent while it is taken. */
  async *streamed(
    request: CaptureRequest,
    holds: HoldMeter,
    pieces: AsyncIterable<Uint8Array>,
  ): AsyncGenerator<Uint8Array, void> {
    const capture = begun(request);
    const end = this.begin(capture);
    let bytes = 0;
    let failure: EarlyEnd | undefined;
    try {
      for await (const piece of pieces) {
        bytes += piece.length;
        yield piece;
      }
    } catch (error) {
      failure = cancellation(request, error) ?? { how: 'failed', why: causesOf(error) };
      throw error;
    } finally {
      end();
      this.report(capture, { longestHoldMs: holds.longestMs }, bytes, failure ?? cancellation(request));
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

  /** A failed capture is reported by the caller that receives the error. */
  private reportCanceled(
    request: BegunCapture,
    captured: CapturedProfile | undefined,
    bytes: number | undefined,
    error: unknown,
  ): void {
    const canceled = cancellation(request, error);
    if (canceled) this.report(request, captured, bytes, canceled);
  }

  private report(
    { profile, peer = 'code', since }: BegunCapture,
    { longestHoldMs }: Pick<CapturedProfile, 'longestHoldMs'> = { longestHoldMs: 0 },
    bytes: number | undefined,
    early?: EarlyEnd,
  ): void {
    const seconds = (performance.now() - since) / 1000;
    const event = { profile, peer, seconds, bytes, longestHoldMs, received: early === undefined };
    this.logger[early?.how === 'failed' ? 'error' : 'log'](lineOf(event, early));
    this.subject.next(event);
  }
}

type BegunCapture = CaptureRequest & { readonly since: number };

function begun(request: CaptureRequest): BegunCapture {
  return { since: performance.now(), ...request };
}

/** Why a capture has no result, or an incomplete one. */
interface EarlyEnd {
  readonly how: 'canceled' | 'failed';
  readonly why: string;
}

/** Undefined for a capture that somebody waits for. */
function cancellation({ signal }: CaptureRequest, error?: unknown): EarlyEnd | undefined {
  const reason: unknown = error instanceof ProfilerCanceledError ? error.cause : signal?.reason;
  const isCanceled = error instanceof ProfilerCanceledError || reason instanceof NobodyWaitsError;
  return isCanceled ? { how: 'canceled', why: reasonOf(reason) } : undefined;
}

function lineOf({ profile, peer, seconds, bytes, longestHoldMs }: CaptureEvent, early?: EarlyEnd): string {
  const what = `${profile} for ${peer}`;
  if (early) return `${what}: ${early.how} after ${seconds.toFixed(1)} s (${early.why})`;
  const size = bytes === undefined ? '' : ` ${bytes} bytes,`;
  return `${what}: ${seconds.toFixed(3)} s,${size} held the event loop for ${longestHoldMs.toFixed(1)} ms at most`;
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
