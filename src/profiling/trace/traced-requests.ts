import type { RequestInFlight, RequestListener, TrackedRequest } from '../async/requests-in-flight.js';
import type { Execution } from './execution.js';
import type { TraceRecorder } from './trace-recorder.js';

/** An execution of a request, with the ids of its name and start function, which are known only later. */
interface TracedRequest {
  readonly execution: Execution;
  isNamed: boolean;
  readonly name: number;
  readonly start: number;
}

/** Creates an execution and a task for each request. */
export class TracedRequests implements RequestListener {
  private readonly requests = new Map<TrackedRequest, TracedRequest>();

  /** @param inFlight requests that began before the trace */
  constructor(
    private readonly recorder: TraceRecorder,
    inFlight: Iterable<TrackedRequest>,
  ) {
    for (const request of inFlight) this.trace(request, false);
  }

  begin(request: TrackedRequest): void {
    const execution = this.trace(request, true);
    this.recorder.adopt(execution); // the resource is the HTTP parser, whose later callbacks are for the request too
  }

  end(request: TrackedRequest): void {
    const traced = this.requests.get(request);
    if (!traced) return;
    this.requests.delete(request);
    const { recorder } = this;
    const { execution } = traced;
    recorder.runAs(execution, () => {
      const { route, status } = this.name(request, traced);
      const of = { ...recorder.at(execution), task: execution.task };
      if (route !== undefined) recorder.emit({ type: 'log', ...of, key: 'route', value: route });
      if (status !== undefined) recorder.emit({ type: 'log', ...of, key: 'status', value: String(status) });
      recorder.emit({ type: 'task-end', ...of });
      recorder.endCurrent();
    });
  }

  /** Defines the names of requests in flight whose handlers are known. */
  nameRouted(): void {
    for (const [request, traced] of this.requests)
      if (!traced.isNamed && request.snapshot().handler !== undefined) this.name(request, traced);
  }

  /** Defines the names of the requests in flight, which don't end in the trace. */
  stop(): void {
    for (const [request, traced] of this.requests) this.name(request, traced);
    this.requests.clear();
  }

  private trace(request: TrackedRequest, isNew: boolean): Execution {
    const { recorder } = this;
    const { buffer } = recorder;
    const [task, name, start] = [buffer.newId(), buffer.newId(), buffer.newId()];
    const execution = recorder.create(start, { isKept: true, task, isNew });
    this.requests.set(request, { execution, name, start, isNamed: false });
    if (isNew) recorder.switchTo(execution);
    recorder.emit({ type: 'task', ...recorder.at(execution), task, parent: 0, name });
    return execution;
  }

  private name(request: TrackedRequest, traced: TracedRequest): RequestInFlight {
    const { buffer } = this.recorder;
    const snapshot = request.snapshot();
    if (traced.isNamed) return snapshot;
    traced.isNamed = true;
    const { name, start } = traced;
    const { method, route, handler } = snapshot;
    const text = `${method} ${route ?? '(no route)'}`;
    buffer.name(name, text);
    buffer.startAt(handler ?? text, start);
    return snapshot;
  }
}
