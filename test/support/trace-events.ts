import fc from 'fast-check';
import { GoTraceWriter } from '../../src/format/go-trace.js';
import { TraceOrder } from '../../src/format/trace-order.js';
import type { TraceEvent, WaitCause } from '../../src/format/trace-event.js';

/**
 * Events as their sources may give them: in no order, with gaps, and about what never began. Each task and region has a number of its
 * own; some ends come before the begins.
 */
export function anyEvents(most: number): fc.Arbitrary<TraceEvent[]> {
  return fc.array(anyEvent, { maxLength: most, size: 'max' }).map((events) => {
    const numberOf = (some: number): number => (some * 7) % (events.length + 1);
    return events.map((event, i) => {
      if (event.type === 'task') return { ...event, task: i + 1 };
      if (event.type === 'task-end') return { ...event, task: numberOf(event.task) };
      if (event.type === 'region') return { ...event, region: i + 1 };
      if (event.type === 'region-end') return { ...event, region: numberOf(event.region) };
      return event;
    });
  });
}

/** What Go's format makes of events. */
export function writtenTrace(events: Iterable<TraceEvent>): Uint8Array {
  const writer = new GoTraceWriter();
  const order = new TraceOrder((event) => writer.add(event));
  for (const event of events) order.add(event);
  writer.finish();
  return Buffer.concat(writer.take());
}

const time = fc.oneof(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 2 ** 52 }));
const id = fc.nat(200);
const text = fc.oneof(
  fc.constantFrom('', 'GET /cats/:id', 'a\ud800', '\udc00\0\n', '猫'.repeat(50), 'x'.repeat(43)),
  fc.string({ unit: 'binary', maxLength: 5 }),
);
const at = { time, thread: fc.integer({ min: 0, max: 2 }), goroutine: fc.integer({ min: 1, max: 7 }) };
const stack = fc.integer({ min: 0, max: 5 });
const cause = fc.constantFrom<WaitCause[]>('network', 'timer', 'promise', 'select', 'syscall', 'yield');
const bytes = fc.option(fc.integer({ min: 0, max: 2 ** 40 }), { nil: undefined });

const anyFrame = fc.record({
  address: fc.integer({ min: 0, max: 2 ** 53 - 1 }),
  name: text,
  filename: text,
  line: fc.nat(2 ** 20),
});

const anyEvent: fc.Arbitrary<TraceEvent> = fc.oneof(
  { weight: 1, arbitrary: fc.record({ type: fc.constant('thread'), ...at, id: fc.nat(), name: text }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('thread-end'), ...at }) },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('create'),
      ...at,
      start: stack,
      waits: fc.option(cause, { nil: undefined }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ type: fc.constant('run'), ...at }) },
  { weight: 6, arbitrary: fc.record({ type: fc.constant('wait'), ...at, cause, stack }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('preempt'), ...at }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('wake'), ...at }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('end'), ...at }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('collection'),
      time,
      end: time,
      kind: text,
      before: bytes,
      after: bytes,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant('task'), ...at, task: id, parent: id, name: stack }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('task-end'), ...at, task: id }) },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant('region'), ...at, region: id, task: id, name: text }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('region-end'), ...at, region: id }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('log'), ...at, task: id, key: text, value: text }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('sample'), ...at, stack }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('name'), id: fc.integer({ min: 1, max: 5 }), text }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('stack'),
      id: fc.integer({ min: 1, max: 5 }),
      frames: fc.array(anyFrame, { maxLength: 4 }),
    }),
  },
) as fc.Arbitrary<TraceEvent>;
