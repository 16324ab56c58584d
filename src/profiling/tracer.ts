import type { Writable } from 'node:stream';
import { Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import type { TraceFrame } from '../format/trace/events.js';
import { goTraceWriter, jsonTraceWriter } from '../format/trace/writer.js';
import { processState } from '../sampling/process-state.js';
import { CaptureLog } from './capture-log.js';
import { ProfilerArgumentError, TracerBusyError } from './errors.js';
import { FrameworkRegions } from './framework-regions.js';
import { PlaceResolver } from './place-resolver.js';
import { RequestsInFlight } from './requests-in-flight.js';
import {
  log,
  newTask,
  type RunningRegion,
  type RunningTask,
  startRegion,
  withRegion,
} from './trace-annotations.js';
import { type MakeWriter, TraceRun } from './trace-run.js';
import { wait } from './wait.js';

/** Forms of a trace: `go` is what `go tool trace` reads, `json` what Perfetto and Chrome do. */
export const TRACE_FORMATS = ['go', 'json'] as const;

export type TraceFormat = (typeof TRACE_FORMATS)[number];

const WRITERS: Readonly<Record<TraceFormat, MakeWriter>> = {
  go: (mainThread, take) => goTraceWriter(traced(mainThread), take),
  json: (mainThread, take) => jsonTraceWriter(traced(mainThread), take),
};

function traced(mainThread: number): { pid: number; name: string; mainThread: number } {
  return { pid: process.pid, name: process.title, mainThread };
}

/** How to write a trace. */
export interface TraceOptions {
  /** @default 'go' */
  readonly format?: TraceFormat;
}

/** For how long, and who asks. */
export interface TraceCaptureOptions extends TraceOptions {
  readonly seconds: number;
  readonly peer: string;
  readonly signal: AbortSignal | undefined;
}

/**
 * Traces what the process does: which executions run and wait, and for what; requests and their parts; collections of
 * garbage. One trace at a time in a process. What an application adds to it by tasks, regions and logs costs next to nothing
 * while there is none.
 *
 * @example
 * tracer.start(createWriteStream('trace.out'));
 * await tracer.stop(); // go tool trace trace.out
 *
 * @publicApi
 */
@Injectable()
export class Tracer implements OnModuleDestroy {
  private readonly closing = new AbortController();
  private readonly starts = new Map<string, TraceFrame>();
  private readonly logger = new Logger('PprofModule');
  /** What {@link start} began. */
  private started: TraceRun | undefined;

  constructor(
    private readonly places: PlaceResolver,
    private readonly requests: RequestsInFlight,
    private readonly regions: FrameworkRegions,
    private readonly captures: CaptureLog,
  ) {}

  /**
   * Begins a trace, which is written to the stream while it goes on, until {@link stop}. As Go's `trace.Start`.
   *
   * Where the stream is closed, the trace ends; where it takes no more for long, too, and says so in itself. Another one can
   * begin then.
   *
   * @throws TracerBusyError while there is another trace, in code or over HTTP
   * @throws ProfilerArgumentError for a format that there is none, and for what is no stream that can be written to
   */
  start(stream: Writable, { format = 'go' }: TraceOptions = {}): void {
    this.started = this.begin(stream, format, 'code');
  }

  /**
   * Ends what {@link start} began, and waits until all is handed to the stream, which stays open: `stream.end()` closes it.
   * Without such a trace nothing happens. As Go's `trace.Stop`.
   *
   * @throws Error of the stream, where that failed
   */
  async stop(): Promise<void> {
    const { started } = this;
    this.started = undefined;
    await started?.stop();
  }

  /** Whether there is a trace now, whoever began it, so that no other can begin. As Go's `trace.IsEnabled`. */
  isEnabled(): boolean {
    return processState().trace !== undefined;
  }

  /**
   * A task begins: something that a user waits for, in several executions perhaps. What this execution does from here on,
   * and what it begins, belongs to the task, until that ends. As Go's `trace.NewTask`.
   *
   * @example
   * const task = tracer.newTask('makeCappuccino');
   * await tracer.withRegion('steamMilk', steamMilk);
   * tracer.log('orderID', orderId);
   * task.end();
   */
  newTask(name: string): RunningTask {
    return newTask(name);
  }

  /**
   * Calls a function, and shows the time until it returns, or until its promise is settled, as a region of this execution.
   * As Go's `trace.WithRegion`.
   */
  withRegion<T>(name: string, work: () => T): T {
    return withRegion(name, work);
  }

  /**
   * A region of this execution begins here, and ends by `end()`. Regions nest: one that began in it ends with it at the latest.
   * As Go's `trace.StartRegion`.
   */
  startRegion(name: string): RunningRegion {
    return startRegion(name, this.startRegion);
  }

  /** This execution says something, such as the number of an order. As Go's `trace.Log`. */
  log(key: string, text: string): void {
    log(key, text);
  }

  /**
   * Traces for a time, or until the signal is aborted or the application shuts down.
   *
   * @param stream is ended with the trace
   * @internal
   */
  capture(stream: Writable, { seconds, format = 'go', peer, signal }: TraceCaptureOptions): Promise<void> {
    const run = this.begin(stream, format, peer);
    return run
      .apart(() => wait(seconds * 1000, signal, this.closing.signal, run.over.signal))
      .then(() => run.stop())
      .catch((error: Error) => {
        const isReaderGone = error === stream.errored;
        if (!isReaderGone) this.logger.error(`trace for ${peer}: ${error.message}`, error.stack);
      })
      .finally(() => stream.end());
  }

  async onModuleDestroy(): Promise<void> {
    this.closing.abort();
    await this.stop();
  }

  private begin(stream: Writable, format: TraceFormat, peer: string): TraceRun {
    const since = performance.now();
    const makeWriter = Object.hasOwn(WRITERS, format) ? WRITERS[format] : undefined;
    if (!makeWriter) {
      throw new ProfilerArgumentError(`format is ${String(format)}: it takes ${TRACE_FORMATS.join(' or ')}`);
    }
    if (stream?.writable !== true) throw new ProfilerArgumentError('the stream cannot be written to');
    const state = processState();
    if (state.trace) throw new TracerBusyError();
    const { places, starts, requests, regions } = this;
    const run = new TraceRun(stream, makeWriter, { places, starts, requests, regions });
    state.trace = run;
    void run.written.finally(() => {
      state.trace = undefined;
      const { bytes, holds } = run;
      this.captures.report({ profile: 'trace', peer, bytes, longestHoldMs: holds.longestMs }, since);
    });
    return run;
  }
}
