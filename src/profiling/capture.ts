import { hostname } from 'node:os';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { Observable, Subject } from 'rxjs';
import { PPROF_OPTIONS, type ResolvedPprofOptions } from '../pprof.options.js';
import { reasonOf } from '../sampling/reason.js';
import type { CapturedProfile } from './captured-profile.js';
import { causesOf, ProfilerCanceledError } from './errors.js';
import type { HoldMeter } from './loop.js';

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
export type RunningCapture = CaptureRequest & Required<Pick<CaptureRequest, 'peer' | 'since'>>;

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

  /** Adds a capture to those in progress, until {@link end}. */
  begin(request: CaptureRequest): RunningCapture {
    const capture = { peer: 'code', since: performance.now(), ...request };
    this.running.add(capture);
    return capture;
  }

  end(capture: RunningCapture): void {
    this.running.delete(capture);
  }

  /** A capture in code. */
  async run(request: CaptureRequest, take: () => Promise<CapturedProfile>): Promise<CapturedProfile> {
    const capture = this.begin(request);
    try {
      const captured = await take();
      this.report(capture, captured, undefined);
      return captured;
    } catch (error) {
      this.reportCanceled(capture, undefined, undefined, error);
      throw error;
    } finally {
      this.end(capture);
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
    const capture = this.begin(request);
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
      this.end(capture);
    }
  }

  /** A capture that is sent while it is taken. */
  async *streamed(
    request: CaptureRequest,
    holds: HoldMeter,
    pieces: AsyncIterable<Uint8Array>,
  ): AsyncGenerator<Uint8Array, void> {
    const capture = this.begin(request);
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
      this.end(capture);
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
    capture: RunningCapture,
    captured: CapturedProfile | undefined,
    bytes: number | undefined,
    error: unknown,
  ): void {
    const canceled = cancellation(capture, error);
    if (canceled) this.report(capture, captured, bytes, canceled);
  }

  private report(
    { profile, peer, since }: RunningCapture,
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
