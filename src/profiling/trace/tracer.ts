import { once } from 'node:events';
import { finished, type Writable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { Inject, Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import { PPROF_OPTIONS, PPROF_SAMPLING, type ResolvedPprofOptions } from '../../pprof.options.js';
import { TraceOrder } from '../../format/trace-order.js';
import type { TraceEvent } from '../../format/trace-event.js';
import { activeTrace, type OpenRegion, type OpenTask } from '../../sampling/active-trace.js';
import { reasonOf } from '../../sampling/reason.js';
import type { Sampling } from '../../sampling/sampler.js';
import { RequestsInFlight } from '../async/requests-in-flight.js';
import { type CaptureRequest, Captures } from '../capture.js';
import { ProfilerArgumentError, ProfilerNotStartedError } from '../errors.js';
import { FrameResolver } from '../frames/frame-resolver.js';
import { HoldMeter, runSliced, wait } from '../loop.js';
import { TraceDefinitions } from './trace-definitions.js';
import { type TraceFormat, type TraceOutput, traceOutput } from './trace-output.js';
import { TraceRecording, type TraceSources } from './trace-recording.js';
import { inRegion } from './when-over.js';

export { TRACE_FORMATS, type TraceFormat } from './trace-output.js';

/** How to write a trace. */
export interface TraceOptions {
  /**
   * Output format: `go` for `go tool trace`, `json` for Perfetto and Chrome.
   * @default 'go'
   */
  readonly format?: TraceFormat;
}

/** A request for a trace. */
interface TraceRequest extends Required<TraceOptions>, Pick<CaptureRequest, 'peer'> {
  readonly seconds?: number;
  /** Aborting it ends the trace; the rest of the recorded events is still written. */
  readonly signal: AbortSignal;
}

/** Interval at which events are written, in ms. */
const WRITE_MS = 100;

/** The limit of setTimeout, 2^31 - 1 ms. */
const MAX_SECONDS = 2_147_483;

/** Events between two yields. */
const SLICE = 100;

/** Annotations while no trace is being recorded. */
const NO_REGION: OpenRegion = { end: () => {} };
const NO_TASK: OpenTask = { run: (work) => work(), end: () => {} };

/**
 * Records execution traces, like Go's `runtime/trace` and with its names. Only one trace can be recorded at a time per process, in
 * code or over HTTP. Annotations are added to that trace, and cost almost nothing while none is being recorded.
 *
 * @example
 * const file = createWriteStream('trace.out');
 * tracer.start(file);
 * await doWork();
 * await tracer.stop();
 * file.end(); // go tool trace trace.out
 *
 * @publicApi
 */
@Injectable()
export class Tracer implements OnModuleDestroy {
  private readonly logger = new Logger('PprofModule');
  private readonly closing = new AbortController();
  private started: { readonly end: AbortController; readonly written: Promise<void> } | undefined;

  /** @internal */
  constructor(
    @Inject(PPROF_SAMPLING) private readonly sampling: Sampling,
    @Inject(PPROF_OPTIONS) private readonly options: ResolvedPprofOptions,
    private readonly requests: RequestsInFlight,
    private readonly frames: FrameResolver,
    private readonly captures: Captures,
  ) {}

  /** Whether a trace is being recorded. */
  isEnabled(): boolean {
    return activeTrace() !== undefined;
  }

  /**
   * Starts a trace and writes it to a stream while it is recorded; with `format: 'json'`, at the end. Does not end the stream.
   *
   * @throws ProfilerBusyError while a trace is being recorded
   * @throws ProfilerArgumentError if the stream or the format is invalid
   */
  start(stream: Writable, { format = 'go' }: TraceOptions = {}): void {
    if (typeof stream?.write !== 'function')
      throw new ProfilerArgumentError(
        'invalid stream: expected a Writable, such as fs.createWriteStream(path)',
      );
    const end = new AbortController();
    const { recording, pieces } = this.record({ format, signal: end.signal });
    const written = writeTo(stream, pieces, end);
    written.catch((error: unknown) => this.logger.error(`Cannot write the trace: ${reasonOf(error)}`)); // stop() throws it
    recording.leaveWriter();
    this.started = { end, written };
  }

  /**
   * Ends the trace that {@link start} began. Resolves when everything is written to the stream.
   *
   * @throws ProfilerNotStartedError if nothing was started
   * @throws the stream's error if the stream failed, which also ended the trace
   */
  async stop(): Promise<void> {
    const { started } = this;
    if (!started) throw new ProfilerNotStartedError('the execution tracer');
    this.started = undefined;
    started.end.abort();
    await started.written;
  }

  /**
   * Begins a task, such as a job that many functions work on, as a child of the current task. It may be ended in another
   * execution.
   *
   * @example
   * const task = tracer.newTask('import');
   * try {
   *   await task.run(() => this.importAll());
   * } finally {
   *   task.end();
   * }
   */
  newTask(name: string): OpenTask {
    return activeTrace()?.newTask(name) ?? NO_TASK;
  }

  /**
   * Runs a function in a region. The region ends when the function returns; if it returns a promise, when that settles; if an
   * observable, when that ends. Regions may run concurrently.
   *
   * @example
   * const rows = await tracer.withRegion('load rows', () => this.db.query(sql));
   */
  withRegion<T>(name: string, work: () => T): T {
    return inRegion(name, work);
  }

  /** Begins a region. It must be ended before its enclosing regions, and in the same request or execution. */
  startRegion(name: string): OpenRegion {
    return activeTrace()?.startRegion(name) ?? NO_REGION;
  }

  /** Adds a log message with a category to the current task. */
  log(category: string, message: string): void {
    activeTrace()?.log(category, message);
  }

  onModuleDestroy(): void {
    this.closing.abort();
  }

  /**
   * Starts a trace.
   *
   * @returns the bytes, produced while it is recorded
   * @throws ProfilerBusyError while a trace is being recorded
   *
   * @internal
   */
  take(request: TraceRequest): AsyncIterable<Uint8Array> {
    return this.record(request).pieces;
  }

  /** From here on, the current execution is the one that writes the trace. */
  private record({ format, seconds = MAX_SECONDS, signal, peer }: TraceRequest): {
    readonly recording: TraceRecording;
    readonly pieces: AsyncIterable<Uint8Array>;
  } {
    const comments = this.captures.comments([]);
    const output = traceOutput(format, comments);
    const holds = new HoldMeter();
    const recording = holds.time(() => new TraceRecording(this.sources(comments)));
    void wait(seconds * 1000, signal, this.closing.signal, recording.over).then(() =>
      holds.time(() => recording.stop()),
    );
    const written = this.pieces(recording, output, holds);
    const capture = { profile: 'trace', ...(peer !== undefined && { peer }), signal };
    return { recording, pieces: this.captures.streamed(capture, holds, written) };
  }

  private sources(comments: readonly string[]): TraceSources {
    const { cpuProfileRate: hz, flightRecorder } = this.options;
    const warm = { hz, pastSeconds: flightRecorder?.seconds ?? 0 }; // otherwise the flight recorder would have to restart the profiler
    return { requests: this.requests, sampling: this.sampling, warm, comments };
  }

  private async *pieces(
    recording: TraceRecording,
    output: TraceOutput,
    holds: HoldMeter,
  ): AsyncGenerator<Uint8Array, void> {
    const order = new TraceOrder((event) => output.add(event));
    const definitions = new TraceDefinitions(this.frames, holds);
    const write = async (events: readonly TraceEvent[]): Promise<void> => {
      await runSliced(added(order, events), holds);
      await runSliced(added(order, await recording.takeDefinitions(definitions)), holds);
    };
    const endReading = this.frames.keepReader();
    try {
      while (!recording.isFull) {
        await wait(WRITE_MS, recording.over);
        if (recording.over.aborted) break;
        if (output.isFull) recording.endEarly();
        await write(await recording.take(holds));
        yield* output.take();
      }
      recording.stop();
      await write(await recording.rest(holds));
      yield* inTurns(output.rest(), holds);
    } finally {
      recording.stop(); // if the reader has stopped early
      await endReading();
    }
  }
}

/** Yields each piece in a separate turn of the event loop. */
async function* inTurns<T>(pieces: Iterable<T>, holds: HoldMeter): AsyncGenerator<T, void> {
  const rest = pieces[Symbol.iterator]();
  for (;;) {
    await setImmediate();
    const { done, value } = holds.time(() => rest.next());
    if (done) return;
    yield value;
  }
}

function* added(order: TraceOrder, events: Iterable<TraceEvent>): Generator<void, void> {
  let count = 0;
  for (const event of events) {
    if (++count % SLICE === 0) yield;
    order.add(event);
  }
}

/**
 * Writes pieces to a stream, respecting backpressure.
 *
 * @param end aborted when the stream has failed or ended
 * @throws the stream's error
 */
async function writeTo(
  stream: Writable,
  pieces: AsyncIterable<Uint8Array>,
  end: AbortController,
): Promise<void> {
  const closed = new AbortController();
  const forget = finished(stream, { readable: false }, (error) => {
    closed.abort(error ?? new Error('the stream has ended'));
    end.abort();
  });
  const { signal } = closed;
  try {
    for await (const piece of pieces) {
      signal.throwIfAborted();
      if (!stream.write(piece)) await once(stream, 'drain', { signal });
    }
    signal.throwIfAborted();
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    forget();
  }
}
