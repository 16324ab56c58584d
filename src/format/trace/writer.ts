import type { TakePiece, TraceEvent, TraceWriter } from './events.js';
import { GoFormat } from './go-format.js';
import { type CollectedEvent, Scheduler } from './scheduler.js';
import { TimeOrder } from './time-order.js';
import { JsonFormat } from './json-format.js';
import type { TracedProcess, TraceFormat } from './trace-format.js';

/** Writes a trace for `go tool trace`, in the format of Go 1.19, which every Go from then on reads. */
export function goTraceWriter(process: TracedProcess, take: TakePiece): TraceWriter {
  return new OrderedWriter(new GoFormat(take), process.mainThread);
}

/** Writes a trace for Chrome's and Perfetto's viewers, in the JSON of trace events. */
export function jsonTraceWriter(process: TracedProcess, take: TakePiece): TraceWriter {
  return new OrderedWriter(new JsonFormat(process, take), process.mainThread);
}

class OrderedWriter implements TraceWriter {
  private readonly scheduler: Scheduler;
  private readonly order: TimeOrder<TraceEvent | CollectedEvent>;

  constructor(
    private readonly format: TraceFormat,
    mainThread: number,
  ) {
    this.scheduler = new Scheduler(format, mainThread);
    this.order = new TimeOrder((event) => this.scheduler.take(event));
  }

  write(event: TraceEvent): void {
    this.order.push(event);
    if (event.type === 'collection') this.order.push({ type: 'collected', at: event.until, of: event });
  }

  flush(at: number): void {
    this.order.advance(at);
    this.format.flush();
  }

  *end(at: number): Generator<void, void> {
    yield* this.order.drain();
    yield* this.scheduler.finish(at);
  }
}
