import fc from 'fast-check';
import { finished } from '../../src/format/finished.js';
import type { TakePiece, TraceEvent, TraceFrame, TraceWriter } from '../../src/format/trace/events.js';
import type { TracedProcess } from '../../src/format/trace/trace-format.js';

/** A process for traces of events that never were. */
export const PROCESS: TracedProcess = { pid: 4242, name: 'cats', mainThread: 4242 };

/** What a writer makes of events. */
export function written(
  writer: (process: TracedProcess, take: TakePiece) => TraceWriter,
  events: Iterable<TraceEvent>,
  end = 0,
): Buffer {
  const pieces: Uint8Array[] = [];
  const trace = writer(PROCESS, (piece) => pieces.push(piece));
  for (const event of events) trace.write(event);
  finished(trace.end(end));
  return Buffer.concat(pieces);
}

export function frame(functionName: string, file = 'file:///app/cats.js', line = 7): TraceFrame {
  return { functionName, file, line };
}

const text = fc.oneof(
  fc.constantFrom('', 'GET /cats/:id', 'CatsController.findAll', 'a"b\\c\n\u2028é🐈\ud800'),
  fc.string({ unit: 'grapheme', maxLength: 8 }),
);
const frames = fc.record({
  functionName: text,
  file: fc.constantFrom('', 'file:///app/cats.js', 'node:timers'),
  line: fc.constantFrom(0, 1, 42, -1, 1.5, Number.NaN),
});
/** Few, and shared, as sources have them. */
const stacks = fc.constantFrom<readonly TraceFrame[]>(
  [],
  [frame('sleep'), frame('findAll')],
  [frame('sleep')],
  Array.from({ length: 300 }, (_, i) => frame(`deep${i}`, 'file:///app/deep.js', i)),
);
const often = { freq: 3 };
const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(value, { nil: undefined });
/** Few, so that they meet. 1 is what is outside of all. */
const id = fc.integer({ min: 1, max: 6 });
const thread = fc.oneof({ weight: 5, arbitrary: fc.constant(PROCESS.mainThread) }, fc.constantFrom(7, 8));
const cause = fc.constantFrom('network', 'timer', 'promise', 'file', 'unknown');
const bytes = fc.constantFrom(0, 1, 50_000_000, 2 ** 40, -1, Number.NaN, Infinity);

/** An event of any kind at any time, near to others and far from them. */
const times = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 200 }) },
  { weight: 2, arbitrary: fc.double({ min: -1000, max: 1e6 }) },
  { weight: 1, arbitrary: fc.constantFrom(Number.NaN, Infinity, 5e9, 1e12) },
);

const kinds: readonly fc.Arbitrary<object>[] = [
  fc.record({ type: fc.constant('thread'), thread, name: text, runs: maybe(fc.boolean()) }),
  fc.record({
    type: fc.constant('execution'),
    execution: id,
    name: text,
    start: maybe(frames),
    by: maybe(id),
    already: fc.option(cause, { ...often, nil: undefined }),
  }),
  fc.record({ type: fc.constant('run'), thread, execution: id }),
  fc.record({ type: fc.constant('run'), thread, execution: id }),
  fc.record({ type: fc.constant('idle'), thread }),
  fc.record({ type: fc.constant('wait'), execution: id, cause, stack: maybe(stacks) }),
  fc.record({ type: fc.constant('wait'), execution: id, cause, stack: maybe(stacks) }),
  fc.record({ type: fc.constant('wake'), execution: id, by: maybe(id) }),
  fc.record({ type: fc.constant('end'), execution: id }),
  fc.record({
    type: fc.constant('collection'),
    until: times,
    thread,
    kind: fc.constantFrom('scavenge', 'mark-compact'),
    before: maybe(bytes),
    after: maybe(bytes),
  }),
  fc.record({ type: fc.constant('heap'), thread, used: bytes, goal: maybe(bytes) }),
  fc.record({
    type: fc.constant('task-begin'),
    task: id,
    name: text,
    parent: maybe(id),
    execution: id,
    stack: maybe(stacks),
  }),
  fc.record({ type: fc.constant('task-end'), task: id, execution: id, stack: maybe(stacks) }),
  fc.record({
    type: fc.constant('region-begin'),
    execution: id,
    region: id,
    name: text,
    task: maybe(id),
    stack: maybe(stacks),
  }),
  fc.record({ type: fc.constant('region-end'), execution: id, region: id, stack: maybe(stacks) }),
  fc.record({
    type: fc.constant('log'),
    execution: id,
    key: text,
    text,
    task: maybe(id),
    stack: maybe(stacks),
  }),
  fc.record({ type: fc.constant('sample'), thread, execution: maybe(id), stack: stacks }),
];

const anyEvent = fc
  .tuple(fc.oneof(...kinds), times)
  .map(([event, at]) => ({ ...event, at }) as unknown as TraceEvent);

/** Events that contradict each other in every way, in any order; now and then it is cut. */
export const anyEvents: fc.Arbitrary<TraceEvent[]> = fc
  .tuple(
    fc.array(anyEvent, { maxLength: 120, size: 'max' }),
    fc.option(fc.record({ at: times, why: text }), { freq: 10, nil: undefined }),
  )
  .map(([events, cut]) => (cut ? [...events, { type: 'cut', ...cut }] : events));
