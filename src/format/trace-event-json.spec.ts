import { describe, expect, it } from '@jest/globals';
import { Handlers, Helpers, Processor, Types } from '@paulirish/trace_engine';
import fc from 'fast-check';
import { readTraceEvents } from '../../test/support/trace-event-reader.js';
import { TraceEventJson } from './trace-event-json.js';
import type { TraceEvent, TraceFrame, WaitCause } from './trace-event.js';

const PROCESS = { pid: 4242, name: 'cats', about: { node: 'v20.20.2', note: 'a "note"\u2028\ud800' } };

function text(events: readonly TraceEvent[], process = PROCESS): string {
  const json = new TraceEventJson();
  for (const event of events) json.add(event);
  return [...json.text(process)].join('');
}

function frame(address: number, name: string, line: number, filename = '/app/cats.ts'): TraceFrame {
  return { address, name, filename, line };
}

function collection(kind: string, time: number, end: number, after?: number): TraceEvent {
  return { type: 'collection', kind, time, end, before: time / 10, ...(after !== undefined && { after }) };
}

function sample(thread: number, time: number, stack: number): TraceEvent {
  return { type: 'sample', thread, goroutine: 1, time, stack };
}

const MAIN: TraceEvent = { type: 'thread', thread: 0, time: 1000, id: 4242, name: 'main' };

/** A request that runs in a guard and a handler, waits for a timer, is woken from outside, and ends; times in µs. */
const REQUEST: readonly TraceEvent[] = [
  MAIN,
  { type: 'create', thread: 0, goroutine: 7, time: 1_000_000, start: 1 },
  { type: 'run', thread: 0, goroutine: 7, time: 1_000_000 },
  { type: 'task', thread: 0, goroutine: 7, time: 1_001_000, task: 3, parent: 0, name: 1 },
  { type: 'region', thread: 0, goroutine: 7, time: 1_002_000, region: 1, task: 3, name: 'guard' },
  { type: 'region-end', thread: 0, goroutine: 7, time: 1_003_001, region: 1 },
  { type: 'region', thread: 0, goroutine: 7, time: 1_004_000, region: 2, task: 3, name: 'handler' },
  { type: 'wait', thread: 0, goroutine: 7, time: 1_005_000, cause: 'timer', stack: 2 },
  { type: 'wake', thread: 0, goroutine: 7, time: 1_030_000 },
  { type: 'run', thread: 0, goroutine: 7, time: 1_032_000 },
  { type: 'region-end', thread: 0, goroutine: 7, time: 1_033_000, region: 2 },
  { type: 'log', thread: 0, goroutine: 7, time: 1_033_500, task: 3, key: 'status', value: '200' },
  { type: 'task-end', thread: 0, goroutine: 7, time: 1_034_000, task: 3 },
  { type: 'end', thread: 0, goroutine: 7, time: 1_035_000 },
  { type: 'name', id: 1, text: 'GET /cats/:id' },
  { type: 'stack', id: 1, frames: [frame(1, 'inner', 5), frame(2, 'CatsController.findOne', 12)] },
  { type: 'stack', id: 2, frames: [frame(3, 'sleep', 40), frame(2, 'CatsController.findOne', 14)] },
];

describe('trace-event JSON of a request', () => {
  const trace = readTraceEvents(text(REQUEST));

  it('names the process, the thread and what the caller says about the trace', () => {
    expect(trace.processName).toBe('cats');
    expect(trace.about).toEqual(PROCESS.about);
    expect(trace.threads.get(4242)).toMatchObject({ name: 'main', sortIndex: 1 });
  });

  it('has the execution as a track, with regions and waits inside', () => {
    const track = trace.tracks.find(({ category }) => category === 'execution')!;
    expect(track.id).toBe('0x7');
    expect(track.slices.map(({ name, depth, start, end }) => [depth, name, start, end])).toEqual([
      [0, 'CatsController.findOne', 1_000_000, 1_035_000],
      [1, 'guard', 1_002_000, 1_003_001],
      [1, 'handler', 1_004_000, 1_033_000],
      [2, 'timer', 1_005_000, 1_030_000],
      [2, 'runnable', 1_030_000, 1_032_000],
    ]);
    expect(track.slices[0]!.args).toEqual({ start: 'CatsController.findOne (/app/cats.ts:12)' });
    expect(track.slices[2]!.args).toEqual({ task: 3 });
    expect(track.slices[3]!.args).toEqual({ at: 'sleep (/app/cats.ts:40)' });
    expect(track.instants).toEqual([{ name: 'status', time: 1_033_500, args: { value: '200', task: 3 } }]);
  });

  it('has the task as a track', () => {
    const track = trace.tracks.find(({ category }) => category === 'task')!;
    expect(track.slices).toEqual([
      {
        name: 'GET /cats/:id',
        category: 'task',
        depth: 0,
        start: 1_001_000,
        end: 1_034_000,
        args: { execution: 7 },
      },
    ]);
  });

  it('shows what ran on the thread by the name of the task', () => {
    const { slices } = trace.threads.get(4242)!;
    expect(slices.map(({ name, start, end, args }) => ({ name, start, end, args }))).toEqual([
      { name: 'GET /cats/:id', start: 1_000_000, end: 1_005_000, args: { execution: 7, task: 3 } },
      { name: 'GET /cats/:id', start: 1_032_000, end: 1_035_000, args: { execution: 7, task: 3 } },
    ]);
  });
});

/** Chrome's DevTools, without its window. */
async function readByDevTools(events: readonly TraceEvent[]) {
  const { traceEvents } = JSON.parse(text(events)) as { traceEvents: Types.Events.Event[] };
  const engine = Processor.TraceProcessor.createWithAllHandlers();
  await engine.parse(traceEvents, {});
  const data = engine.data!;
  const asyncEvents = traceEvents.filter(({ ph }) => 'ben'.includes(ph)) as Types.Events.PairableAsync[];
  return {
    processNames: [...data.Meta.processNames.values()].map(({ args }) => args.name),
    threads: Handlers.Threads.threadsInTrace(data),
    pairs: Helpers.Trace.createMatchedSortedSyntheticEvents(asyncEvents),
    profile: data.Samples.profilesInProcess
      .get(Types.Events.ProcessID(4242))
      ?.get(Types.Events.ThreadID(4242)),
  };
}

describe('the engine of DevTools reads from trace-event JSON', () => {
  it('threads, what ran on them, requests, regions, waits, collections and CPU samples', async () => {
    const { processNames, threads, pairs, profile } = await readByDevTools([
      ...REQUEST,
      sample(0, 1_004_500, 2),
      sample(0, 1_034_500, 1),
      collection('minor', 1_010_000, 1_012_000),
    ]);
    expect(processNames).toEqual(['cats']);
    expect(threads.map(({ name, entries }) => [name, entries.map(({ name }) => name)])).toEqual([
      [
        'main',
        ['GET /cats/:id', 'ProfileCall', 'ProfileCall', 'GET /cats/:id', 'ProfileCall', 'ProfileCall'],
      ],
      ['Garbage collections', ['minor']],
    ]);
    expect(pairs.map(({ name, ts, dur }) => [name, ts, dur])).toEqual([
      ['CatsController.findOne', 1000, 35],
      ['GET /cats/:id', 1001, 33],
      ['guard', 1002, expect.closeTo(1.001)],
      ['handler', 1004, 29],
      ['timer', 1005, 25],
      ['runnable', 1030, 2],
    ]);
    const { samples, nodes } = profile!.rawProfile;
    const names = new Map(nodes.map(({ id, callFrame }) => [id, callFrame.functionName]));
    expect(samples!.map((id) => names.get(id))).toEqual(['sleep', 'inner']);
  });

  it('all slices of a thread, also if each begins when the one before it ends', async () => {
    const events: TraceEvent[] = [MAIN, { type: 'create', thread: 0, goroutine: 1, time: 1e12, start: 0 }];
    for (let i = 1; i <= 500; i++) {
      const time = 1e14 + i * 1001;
      events.push({ type: 'run', thread: 0, goroutine: 1, time });
      events.push({ type: 'preempt', thread: 0, goroutine: 1, time: time + 1001 });
    }
    const { threads } = await readByDevTools(events);
    expect(threads[0]!.tree.roots.size).toBe(500);
  });
});

describe('trace-event JSON', () => {
  it('of a trace that ends anywhere in a request ends what is open at the time of the last event', () => {
    for (let length = 2; length <= 13; length++) {
      const events = REQUEST.slice(0, length);
      const { tracks } = readTraceEvents(text(events));
      expect(tracks[0]!.slices[0]!.end).toBe((events.at(-1) as { time: number }).time);
    }
  });

  it('names what runs by the first of the open tasks of its execution, else by its start function', () => {
    const own = { thread: 0, goroutine: 7 };
    const run = (time: number): TraceEvent[] => [
      { type: 'run', ...own, time: time },
      { type: 'preempt', ...own, time: time + 10 },
    ];
    const task = (id: number, time: number): TraceEvent => {
      return { type: 'task', ...own, time: time, task: id, parent: id - 1, name: id };
    };
    const trace = readTraceEvents(
      text([
        MAIN,
        { type: 'create', ...own, time: 1000, start: 1 },
        { type: 'stack', id: 1, frames: [frame(1, 'start', 1)] },
        ...[1, 2].map((id): TraceEvent => ({ type: 'name', id, text: `task ${id}` })),
        ...run(1100),
        task(1, 1200),
        task(2, 1200),
        ...run(1200),
        { type: 'task-end', ...own, time: 1300, task: 2 },
        ...run(1300),
        { type: 'task-end', ...own, time: 1405, task: 1 },
        ...run(1500),
      ]),
    );
    const { slices } = trace.threads.get(4242)!;
    expect(slices.map(({ name, args }) => [name, args.task])).toEqual([
      ['start', undefined],
      ['task 1', 1],
      ['task 1', 1],
      ['start', undefined],
    ]);
    expect(trace.tracks.map(({ slices }) => slices[0]!.args.parent)).toEqual([undefined, undefined, 1]);
  });

  it('shows on each thread what ran there, wherever it was created', () => {
    const { threads, tracks } = readTraceEvents(
      text([
        MAIN,
        { type: 'thread', thread: 1, time: 1000, id: 1, name: 'worker' },
        { type: 'create', thread: 0, goroutine: 1, time: 2000, start: 0 },
        { type: 'run', thread: 1, goroutine: 1, time: 3000 },
        { type: 'wait', thread: 1, goroutine: 1, time: 4000, cause: 'timer', stack: 1 },
        { type: 'stack', id: 1, frames: [frame(1, 'setTimeout', 0, '')] },
      ]),
    );
    expect(tracks[0]!.slices.at(-1)!.args).toEqual({ at: 'setTimeout' });
    expect([...threads.values()].map(({ name, slices }) => [name, slices.length])).toEqual([
      ['main', 0],
      ['worker', 1],
    ]);
  });

  it('is written in pieces of a few hundred events', () => {
    const json = new TraceEventJson();
    for (const event of REQUEST.slice(0, 3)) json.add(event);
    for (let i = 0; i < 2000; i++)
      json.add({ type: 'log', thread: 0, goroutine: 7, time: 2e6 + i, task: 0, key: 'n', value: `${i}` });
    for (let i = 0; i < 500; i++) {
      json.add({
        type: 'stack',
        id: i,
        frames: Array.from({ length: 10 }, (_, n) => frame(i * 10 + n, 'f', 1)),
      });
      json.add(sample(0, 2e6 + i, i));
    }
    for (let i = 0; i < 20_000; i++) json.add(sample(0, 3e6 + i, 0));
    const pieces = [...json.text(PROCESS)];
    expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThan(100_000);
    const trace = readTraceEvents(pieces.join(''));
    expect(trace.tracks[0]!.instants.map(({ args }) => args.value)).toEqual(
      Array.from({ length: 2000 }, (_, i) => `${i}`),
    );
    expect(trace.profiles[0]!.samples).toHaveLength(20_500);
  });

  it('of no events is a trace of a process', () => {
    expect(readTraceEvents(text([]))).toMatchObject({ processName: 'cats', tracks: [] });
  });

  it('writes names as they are, whatever characters they have', () => {
    const name = '"\\\u2028\ud800\u0000😀';
    const { tracks } = readTraceEvents(
      text([
        MAIN,
        { type: 'create', thread: 0, goroutine: 1, time: 2000, start: 0 },
        { type: 'task', thread: 0, goroutine: 1, time: 3000, task: 1, parent: 0, name: 1 },
        { type: 'name', id: 1, text: name },
      ]),
    );
    expect(tracks.map(({ slices }) => slices[0]!.name)).toEqual(['(unknown)', name]);
  });

  it('gives each thread a tid of its own, also if the process has the id of a worker thread', () => {
    const { threads } = readTraceEvents(
      text([
        { ...MAIN, id: 1 },
        { type: 'thread', thread: 1, time: 1000, id: 1, name: 'worker 1' },
        { type: 'thread', thread: 2, time: 1000, id: 2, name: 'worker 2' },
      ]),
    );
    expect([...threads].map(([tid, { name }]) => [tid, name])).toEqual([
      [1, 'main'],
      [2, 'worker 1'],
      [3, 'worker 2'],
    ]);
  });

  it('shows collections by time, those that overlap on different threads, and the size of the heap', () => {
    const trace = readTraceEvents(
      text([
        MAIN,
        collection('incremental', 90_000, 95_000, 50),
        collection('minor', 20_000, 30_000, 10),
        collection('major', 25_000, 60_000),
        collection('minor', 60_000, 70_000, 30),
      ]),
    );
    const lanes = [...trace.threads.values()].filter(({ name }) => name === 'Garbage collections');
    expect(lanes.map(({ slices }) => slices.map(({ name, start, end }) => [name, start, end]))).toEqual([
      [
        ['minor', 20_000, 30_000],
        ['minor', 60_000, 70_000],
        ['incremental', 90_000, 95_000],
      ],
      [['major', 25_000, 60_000]],
    ]);
    expect(lanes[0]!.slices[0]!.args).toEqual({ before: 2000, after: 10 });
    expect(lanes[1]!.slices[0]!.args).toEqual({ before: 2500 });
    expect(trace.counters.get('JS heap')!.map(({ time, values }) => [time, values.used])).toEqual([
      [20_000, 2000],
      [25_000, 2500],
      [30_000, 10],
      [60_000, 6000],
      [70_000, 30],
      [90_000, 9000],
      [95_000, 50],
    ]);
  });

  it('has the CPU samples of each thread, in order of their times', () => {
    const { profiles } = readTraceEvents(
      text([
        MAIN,
        { type: 'thread', thread: 1, time: 1000, id: 1, name: 'worker' },
        sample(1, 5_000_000, 2),
        sample(0, 3_000_900, 1),
        sample(0, 1_000_700, 1),
        sample(0, 2_000_100, 2),
        sample(0, 4_000_000, 9),
        { type: 'stack', id: 1, frames: [frame(1, 'inner', 5), frame(2, 'outer', 0, '')] },
        { type: 'stack', id: 2, frames: [frame(2, 'outer', 0, '')] },
      ]),
    );
    expect(profiles).toMatchObject([
      { tid: 1, samples: [{ micros: 5000, stack: ['outer', '(root)'] }] },
      {
        tid: 4242,
        samples: [
          { micros: 1000, stack: ['inner', 'outer', '(root)'] },
          { micros: 2000, stack: ['outer', '(root)'] },
          { micros: 3000, stack: ['inner', 'outer', '(root)'] },
          { micros: 4000, stack: ['(root)'] },
        ],
      },
    ]);
  });

  it('of any consistent trace passes the strict reader, with everything in it', () => {
    fc.assert(
      fc.property(STEPS, fc.integer({ min: 1, max: 3 }), (steps, numberOfThreads) => {
        const { events } = new ConsistentTrace(steps, numberOfThreads);
        const { tracks, threads, profiles } = readTraceEvents(text(events));
        const slices = tracks.flatMap((track) => track.slices);
        const onThreads = [...threads.values()].flatMap((thread) => thread.slices);
        const count = (type: TraceEvent['type']): number =>
          events.filter((event) => event.type === type).length;
        expect({
          executions: tracks.filter(({ category }) => category === 'execution').length,
          tasks: tracks.filter(({ category }) => category === 'task').length,
          regions: slices.filter(({ name }) => name === 'region').length,
          waits: slices.filter(({ name }) => CAUSES.includes(name as WaitCause)).length,
          logs: tracks.flatMap(({ instants }) => instants).length,
          runs: onThreads.filter(({ category }) => category === 'execution').length,
          collections: onThreads.filter(({ category }) => category === 'collection').length,
          samples: profiles.flatMap(({ samples }) => samples).length,
        }).toEqual({
          executions: count('create'),
          tasks: count('task'),
          regions: count('region'),
          waits: events.filter((event) => waitCause(event) !== 'yield').length,
          logs: count('log'),
          runs: count('run'),
          collections: count('collection'),
          samples: count('sample'),
        });
      }),
    );
  });
});

const CAUSES: readonly WaitCause[] = ['network', 'timer', 'promise', 'select', 'syscall', 'yield'];

function waitCause(event: TraceEvent): WaitCause {
  if (event.type === 'wait') return event.cause;
  return event.type === 'create' ? (event.waits ?? 'yield') : 'yield';
}

/** Which of the events that are possible comes next, which of its variants, and after how many nanoseconds. */
type Step = readonly [action: number, variant: number, nanos: number];

const STEPS: fc.Arbitrary<Step[]> = fc.array(
  fc.tuple(fc.nat(1000), fc.nat(1000), fc.oneof(fc.constant(0), fc.nat(2_000_000))),
  { maxLength: 200, size: 'max' },
);

interface ModelExecution {
  readonly goroutine: number;
  readonly regions: number[];
  /** The thread that it runs on. */
  on?: number;
  waits: boolean;
}

/** A consistent trace, whatever the steps: on several threads, each with a clock of its own. */
class ConsistentTrace {
  readonly events: TraceEvent[] = [];
  private readonly clocks: number[];
  private readonly executions: ModelExecution[] = [];
  private readonly tasks: number[] = [];
  private ids = 0;

  constructor(steps: readonly Step[], threads: number) {
    this.clocks = Array.from({ length: threads }, (_, thread) => 1e14 + thread * 777);
    for (const [thread, time] of this.clocks.entries())
      this.events.push({ type: 'thread', thread, time, id: thread + 1, name: `thread ${thread}` });
    for (const step of steps) this.step(step);
  }

  private step([action, variant, nanos]: Step): void {
    const thread = variant % this.clocks.length;
    this.clocks[thread]! += nanos;
    const running = this.executions.find(({ on }) => on === thread);
    const possible = [
      ...this.always(thread, variant),
      ...(running ? this.ofRunning(running, thread, variant) : this.ofNoneRunning(thread, variant)),
    ];
    possible[action % possible.length]!();
  }

  private always(thread: number, variant: number): (() => void)[] {
    const time = this.clocks[thread]!;
    const cause = CAUSES[variant % CAUSES.length]!;
    const waiting = pick(
      this.executions.filter(({ waits }) => waits),
      variant,
    );
    return [
      () => {
        const goroutine = ++this.ids;
        this.executions.push({ goroutine, regions: [], waits: cause !== 'yield' });
        const waits = cause === 'yield' ? {} : { waits: cause };
        this.events.push({ type: 'create', thread, time, goroutine, start: 0, ...waits });
      },
      () => {
        if (!waiting) return;
        waiting.waits = false;
        this.events.push({ type: 'wake', thread, time, goroutine: waiting.goroutine });
      },
      () => this.events.push(collection('minor', time - variant * 1000, time + variant * 1000, variant)),
      () => this.events.push(sample(thread, time - variant, variant)),
    ];
  }

  private ofNoneRunning(thread: number, variant: number): (() => void)[] {
    const runnable = this.executions.filter(({ on, waits }) => on === undefined && !waits);
    const next = pick(runnable, variant);
    if (!next) return [];
    const run = (): void => {
      next.on = thread;
      this.events.push({ type: 'run', thread, time: this.clocks[thread]!, goroutine: next.goroutine });
    };
    return [run, run];
  }

  private ofRunning(running: ModelExecution, thread: number, variant: number): (() => void)[] {
    const at = { thread, time: this.clocks[thread]!, goroutine: running.goroutine };
    const cause = CAUSES[variant % CAUSES.length]!;
    const id = ++this.ids;
    const task = pick(this.tasks, variant);
    const region = running.regions.at(-1);
    const add = (event: TraceEvent, change: () => unknown = () => undefined) => {
      return (): void => {
        this.events.push(event);
        change();
      };
    };
    return [
      add({ type: 'wait', ...at, cause, stack: variant }, () =>
        Object.assign(running, { on: undefined, waits: cause !== 'yield' }),
      ),
      add({ type: 'preempt', ...at }, () => (running.on = undefined)),
      add({ type: 'log', ...at, task: task ?? 0, key: 'key', value: 'value' }),
      add({ type: 'task', ...at, task: id, parent: task ?? 0, name: 0 }, () => this.tasks.push(id)),
      add({ type: 'region', ...at, region: id, task: task ?? 0, name: 'region' }, () =>
        running.regions.push(id),
      ),
      ...(task === undefined
        ? []
        : [add({ type: 'task-end', ...at, task }, () => this.tasks.splice(this.tasks.indexOf(task), 1))]),
      region === undefined
        ? add({ type: 'end', ...at }, () => this.executions.splice(this.executions.indexOf(running), 1))
        : add({ type: 'region-end', ...at, region }, () => running.regions.pop()),
    ];
  }
}

function pick<T>(items: readonly T[], variant: number): T | undefined {
  return items[variant % items.length];
}
