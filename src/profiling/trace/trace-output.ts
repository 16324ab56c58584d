import { GoTraceWriter } from '../../format/go-trace.js';
import type { TraceEvent } from '../../format/trace-event.js';
import { TraceEventJson } from '../../format/trace-event-json.js';
import { ProfilerArgumentError } from '../errors.js';

/** Output formats of a trace: `go` for `go tool trace`, `json` for Perfetto and Chrome. */
export const TRACE_FORMATS = ['go', 'json'] as const;

export type TraceFormat = (typeof TRACE_FORMATS)[number];

/** Writes a trace that is being recorded. */
export interface TraceOutput {
  /** Adds the next event of a `TraceOrder`. */
  add(event: TraceEvent): void;
  /** Whether the maximum number of events is reached. */
  readonly isFull: boolean;
  /** The bytes that were written since the last call. */
  take(): readonly Uint8Array[];
  /** The rest, in pieces that are each produced quickly. */
  rest(): Iterable<Uint8Array>;
}

/** Maximum number of events if all are written at the end; 50 MB. */
const MOST_EVENTS = 1_000_000;

const OUTPUTS: Readonly<Record<TraceFormat, (comments: readonly string[]) => TraceOutput>> = {
  go() {
    const writer = new GoTraceWriter();
    return {
      isFull: false,
      add: (event) => writer.add(event),
      take: () => writer.take(),
      *rest() {
        writer.finish();
        yield* writer.take();
      },
    };
  },
  /** Written at the end, since some names are not known before. */
  json(comments) {
    const json = new TraceEventJson();
    const about = Object.fromEntries(comments.map((comment, i) => [`comment ${i + 1}`, comment]));
    let count = 0;
    return {
      get isFull() {
        return count >= MOST_EVENTS;
      },
      add(event) {
        count++;
        json.add(event);
      },
      take: () => [],
      *rest() {
        for (const text of json.text({ pid: process.pid, name: process.title, about }))
          yield Buffer.from(text);
      },
    };
  },
};

/** @throws ProfilerArgumentError if the format is invalid */
export function traceOutput(format: TraceFormat, comments: readonly string[]): TraceOutput {
  if (!TRACE_FORMATS.includes(format))
    throw new ProfilerArgumentError(
      `invalid format ${String(format)}: expected ${TRACE_FORMATS.join(' or ')}`,
    );
  return OUTPUTS[format](comments);
}
