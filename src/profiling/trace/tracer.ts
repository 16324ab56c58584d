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
   * `go` for `go tool trace`, `json` for Perfetto and Chrome.
   * @default 'go'
   */
  readonly format?: TraceFormat;
}

/** Which trace, for those who report it. */
interface TraceRequest extends Required<TraceOptions>, Pick<CaptureRequest, 'peer'> {
  readonly seconds?: number;
  /** Ends the trace; what was recorded is still written, if anybody waits for it. */
  readonly signal: AbortSignal;
}

/** How often events are written, in ms. */
const WRITE_MS = 100;

/** setTimeout takes no more than 2^31 - 1 ms. */
const MAX_SECONDS = 2_147_483;

/** Events between two yields. */
const SLICE = 100;

/** Annotations while no trace is recorded. */
const NO_REGION: OpenRegion = { end: () => {} };
const NO_TASK: OpenTask = { run: (work) => work(), end: () => {} };

/**
 * Records execution traces: Go's `runtime/trace` with its names. There is one trace at a time in a process, whoever has started
 * it; annotations go into that one, and do next to nothing while there is none.
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

  /** Whether a trace is recorded now. */
  isEnabled(): boolean {
    return activeTrace() !== undefined;
  }

  /**
   * Starts to record, and writes the trace to a stream as it grows (with `format: 'json'` at the end). The stream is not ended.
   *
   * @throws ProfilerBusyError while a trace is recorded
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
   * Ends what {@link start} began.
   *
   * @returns when the stream has taken all
   * @throws ProfilerNotStartedError if nothing was started
   * @throws what the stream has failed with, which has ended the trace
   */
  async stop(): Promise<void> {
    const { started } = this;
    if (!started) throw new ProfilerNotStartedError('the execution tracer');
    this.started = undefined;
    started.end.abort();
    await started.written;
  }

  /**
   * Begins a task, such as a job that many functions work on, below the one that is current. It may end in another execution.
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
   * Does work in a region: from its begin until the promise that it returns is settled, or the observable ends. Regions may run side by
   * side.
   *
   * @example
   * const rows = await tracer.withRegion('load rows', () => this.db.query(sql));
   */
  withRegion<T>(name: string, work: () => T): T {
    return inRegion(name, work);
  }

  /** Begins a region, which is to end before those around it, and in the same request or execution. */
  startRegion(name: string): OpenRegion {
    return activeTrace()?.startRegion(name) ?? NO_REGION;
  }

  /** Notes a message of a category, for the current task. */
  log(category: string, message: string): void {
    activeTrace()?.log(category, message);
  }

  onModuleDestroy(): void {
    this.closing.abort();
  }

  /**
   * Records from now on.
   *
   * @returns the bytes; there are more while it is recorded
   * @throws ProfilerBusyError while a trace is recorded
   *
   * @internal
   */
  take(request: TraceRequest): AsyncIterable<Uint8Array> {
    return this.record(request).pieces;
  }

  /** What executes from here on writes the trace. */
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
    const warm = { hz, pastSeconds: flightRecorder?.seconds ?? 0 }; // or the recorder would have to restart the profiler
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
      recording.stop(); // when nobody reads any more
      await endReading();
    }
  }
}

/** Each piece in a turn of the event loop of its own. */
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
 * Writes pieces as fast as a stream takes them.
 *
 * @param end aborted when the stream takes no more
 * @throws what the stream has failed with
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
