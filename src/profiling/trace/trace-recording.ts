import { createHook, executionAsyncId, executionAsyncResource } from 'node:async_hooks';
import type { TraceEvent } from '../../format/trace-event.js';
import { activeTrace, setActiveTrace } from '../../sampling/active-trace.js';
import { StackTable } from '../../sampling/stack-table.js';
import type { RequestsInFlight } from '../async/requests-in-flight.js';
import { ProfilerBusyError } from '../errors.js';
import { TraceRecorder } from './trace-recorder.js';

/** Events that are kept until they are written: some 50 MB. */
const MOST_EVENTS = 500_000;

/** The execution that writes the trace. */
const WRITER = '(execution tracer)';

/** An execution trace that is being recorded, by all of its sources. There is one in a process at a time. */
export class TraceRecording {
  readonly recorder: TraceRecorder;
  private readonly stops: (() => void)[] = [];

  /** @throws ProfilerBusyError if there is another one */
  constructor(requests: RequestsInFlight) {
    if (activeTrace()) throw new ProfilerBusyError('trace');
    const stacks = new StackTable();
    this.recorder = new TraceRecorder(
      { now, executionAsyncId, executionAsyncResource, stackOf: (callee) => stacks.stackOf(callee) },
      MOST_EVENTS,
    );
    const { recorder } = this;
    for (const request of requests) recorder.beginRequest(request, false);
    this.stops.push(
      requests.listen({
        begin: (request) => recorder.beginRequest(request, true),
        end: (request) => recorder.endRequest(request),
      }),
    );
    setActiveTrace(recorder);
    const hook = createHook(recorder).enable();
    this.stops.push(
      () => setActiveTrace(undefined),
      () => void hook.disable(),
      () => recorder.stop(),
    );
    recorder.enter(WRITER);
  }

  take(): TraceEvent[] {
    return this.recorder.take();
  }

  /** Ends the recording; what was recorded can still be taken. */
  stop(): void {
    for (const stop of this.stops.splice(0)) stop();
  }
}

/** In ns, by the clock of `performance.now()`. */
function now(): number {
  return Math.round(performance.now() * 1e6);
}
