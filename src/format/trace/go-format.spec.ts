import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type GoTrace, type Goroutine, readGoTrace } from '../../../test/support/go-trace.js';
import { anyEvents, frame, PROCESS, written } from '../../../test/support/trace-events.js';
import { finished } from '../finished.js';
import type { TraceEvent, TraceFrame, WaitCause } from './events.js';
import { goTraceWriter } from './writer.js';

const MS = 1e6;
const thread = PROCESS.mainThread;
const worker = 7;

function trace(events: readonly TraceEvent[], end = 0): GoTrace {
  return readGoTrace(written(goTraceWriter, events, end));
}

function named(name: string, { goroutines }: GoTrace): Goroutine {
  const all = goroutines.filter((one) => one.name === name);
  expect(all).toHaveLength(1);
  return all[0]!;
}

const begins = (execution: number, at: number, name = `GET /${execution}`): TraceEvent => ({
  type: 'execution',
  at,
  execution,
  name,
});
const runs = (execution: number, at: number, on = thread): TraceEvent => ({
  type: 'run',
  at,
  execution,
  thread: on,
});
const waits = (
  execution: number,
  at: number,
  cause: WaitCause,
  stack?: readonly TraceFrame[],
): TraceEvent => ({
  type: 'wait',
  at,
  execution,
  cause,
  stack,
});
const ends = (execution: number, at: number): TraceEvent => ({ type: 'end', at, execution });

const sample = (at: number): TraceEvent => ({ type: 'sample', at, thread, stack: [frame('burn')] });

describe('a trace in Go’s format', () => {
  it('is one of the thread and its event loop, if nothing comes', () => {
    const { version, threads, goroutines } = trace([], 5 * MS);

    expect(version).toBe('1.19');
    expect([...threads]).toEqual([[0, thread]]);
    expect(goroutines.map(({ name }) => name)).toEqual(['(event loop)']);
  });

  it('tells how long an execution ran and waited for what', () => {
    const all = trace([
      begins(2, 1 * MS, 'GET /cats'),
      runs(2, 1 * MS),
      waits(2, 11 * MS, 'network', [frame('query')]),
      runs(2, 61 * MS),
      waits(2, 62 * MS, 'timer'),
      { type: 'wake', at: 90 * MS, execution: 2 },
      runs(2, 92 * MS),
      waits(2, 93 * MS, 'file'),
      runs(2, 100 * MS),
      waits(2, 101 * MS, 'promise'),
      runs(2, 111 * MS),
      ends(2, 112 * MS),
    ]);
    const cats = named('GET /cats', all);

    expect(cats.running / MS).toBeCloseTo(14, 3);
    expect(cats.runnable / MS).toBeCloseTo(2, 3);
    expect(
      Object.fromEntries(
        Object.entries(cats.waits).map(([cause, { count, total }]) => [
          cause,
          [count, Math.round(total / MS)],
        ]),
      ),
    ).toEqual({ GoBlockNet: [1, 50], GoSleep: [1, 28], GoSysCall: [1, 7], GoBlockSync: [1, 10] });
    expect(cats.ended).toBeDefined();
    expect(all.events.find(({ type }) => type === 'GoBlockNet')!.stack).toMatchObject([
      { functionName: 'query' },
    ]);
  });

  it('groups executions by the function they start in', () => {
    const findAll = frame('CatsController.findAll', 'file:///app/cats.ts', 12);
    const { events } = trace([
      { ...begins(2, 0), start: findAll } as TraceEvent,
      { ...begins(3, 1), start: { ...findAll } } as TraceEvent,
      runs(3, 2),
    ]);
    const created = events.filter(({ type }) => type === 'GoCreate');

    expect(created).toHaveLength(2);
    const { goroutines } = trace([{ ...begins(2, 0), start: findAll } as TraceEvent]);
    expect(goroutines.map(({ name }) => name)).toContain('CatsController.findAll');
  });

  it('puts events in order that come up to a second late', () => {
    const all = trace([
      begins(2, 0, 'early'),
      runs(2, 900 * MS),
      ends(2, 901 * MS),
      waits(2, 100 * MS, 'timer'),
      runs(2, 50 * MS),
    ]);
    const early = named('early', all);

    expect(early.waits.GoSleep).toMatchObject({ count: 1 });
    expect(early.waits.GoSleep!.total / MS).toBeCloseTo(800, 3);
  });

  it('has who is in the way stop, and go on when the source says so', () => {
    const all = trace([
      begins(2, 0, 'outer'),
      begins(3, 0, 'inner'),
      runs(2, 10),
      runs(3, 20),
      ends(3, 30),
      runs(2, 31),
      ends(2, 50),
    ]);

    expect(named('inner', all).running).toBeCloseTo(10, -1);
    expect(named('outer', all).running).toBeCloseTo(29, -1);
  });

  it('has an execution run for the moment in which it says something', () => {
    const all = trace([
      begins(2, 0, 'GET /cats'),
      runs(2, 10),
      waits(2, 20, 'network'),
      runs(1, 30),
      { type: 'task-begin', at: 40, execution: 2, task: 9, name: 'GET /cats' },
      { type: 'log', at: 41, execution: 2, task: 9, key: 'status', text: '200' },
      { type: 'task-end', at: 100, execution: 2, task: 9 },
    ]);

    expect(all.logs).toMatchObject([{ key: 'status', text: '200', task: 1 }]);
    expect(all.tasks).toMatchObject([{ name: 'GET /cats' }]);
    const cats = named('GET /cats', all);
    expect(all.tasks[0]!.g).toBe(cats.id);
    expect(cats.ended).toBeUndefined();
    expect(all.events.filter(({ g, type }) => g === cats.id && type === 'GoBlockNet')).toHaveLength(4);
  });

  it('says who woke whom, if that one runs', () => {
    const { events, goroutines } = trace([
      begins(2, 0, 'waiter'),
      begins(3, 0, 'waker'),
      runs(2, 10),
      waits(2, 20, 'promise'),
      runs(3, 30),
      { type: 'wake', at: 40, execution: 2, by: 3 },
    ]);
    const wake = events.find(({ type }) => type === 'GoUnblock');

    expect(goroutines.find(({ id }) => id === wake!.g)!.name).toBe('waker');
    expect(wake!.stack.map(({ functionName }) => functionName)).toEqual(['waker']);
  });

  it('says that the network woke it, while something else runs', () => {
    const { events } = trace([
      begins(2, 0, 'waiter'),
      runs(2, 10),
      waits(2, 20, 'network'),
      runs(1, 30),
      { type: 'wake', at: 40, execution: 2 },
    ]);
    const wake = events.find(({ type }) => type === 'GoUnblock');

    expect(wake).toMatchObject({ p: -1, g: 0 });
    expect(wake!.stack.map(({ functionName }) => functionName)).toEqual(['(network)', 'waiter']);
  });

  it('has executions from before the trace wait from its begin', () => {
    const all = trace(
      [{ type: 'execution', at: 0, execution: 2, name: 'hangs', already: 'network' }],
      1000 * MS,
    );

    expect(named('hangs', all).waits.GoBlockNet).toMatchObject({ count: 1 });
  });

  it('nests regions, and ends those within with the outer one', () => {
    const all = trace([
      begins(2, 0),
      runs(2, 0),
      { type: 'task-begin', at: 1, execution: 2, task: 1, name: 'task' },
      { type: 'region-begin', at: 10, execution: 2, region: 1, task: 1, name: 'handler' },
      { type: 'region-begin', at: 20, execution: 2, region: 2, name: 'query' },
      waits(2, 25, 'network'),
      runs(2, 30),
      { type: 'region-end', at: 40, execution: 2, region: 1 },
      { type: 'region-end', at: 50, execution: 2, region: 2 },
      ends(2, 60),
    ]);
    const lasted = Object.fromEntries(all.regions.map(({ name, begin, end }) => [name, end! - begin]));

    expect(all.regions.map(({ name, task }) => [name, task])).toEqual([
      ['handler', 1],
      ['query', 0],
    ]);
    expect(lasted.handler).toBeCloseTo(30, -1);
    expect(lasted.query).toBeCloseTo(20, -1);
  });

  it('knows the name of a region at its end, however many there were meanwhile', () => {
    const region = { at: 10, execution: 2, region: 1 } as const;
    const all = trace([
      begins(2, 0),
      runs(2, 0),
      { type: 'region-begin', ...region, name: 'handler' },
      ...Array.from({ length: 20_000 }, (_, i): TraceEvent => ({
        type: 'log',
        at: 20 + i,
        execution: 2,
        key: `key ${i}`,
        text: '',
      })),
      { type: 'region-end', ...region, at: 30_000 },
    ]);

    expect(all.regions).toMatchObject([{ name: 'handler', end: expect.anything() }]);
  });

  it('tells collections, one at a time, and the heap of all threads', () => {
    const { events } = trace([
      { type: 'heap', at: 0, thread, used: 1000, goal: 5000 },
      { type: 'heap', at: 1, thread: worker, used: 500, goal: 5000 },
      runs(1, 5),
      { type: 'collection', at: 10, until: 30, thread, kind: 'mark-compact', before: 1000, after: 600 },
      { type: 'collection', at: 20, until: 25, thread: worker, kind: 'scavenge', before: 500, after: 100 },
    ]);
    const heap = events.filter(({ type }) => type === 'HeapAlloc').map(({ args }) => args[0]);

    expect(events.filter(({ type }) => type === 'GCStart')).toHaveLength(1);
    expect(events.filter(({ type }) => type === 'STWStart').map(({ args }) => args)).toEqual([[0]]);
    expect(heap).toEqual([1000, 1500, 1500, 1500, 1100, 700]);
    expect(events.findLast(({ type }) => type === 'HeapGoal')!.args).toEqual([10_000]);
  });

  it('has a row for each thread on which JavaScript runs', () => {
    const { threads, events } = trace([
      { type: 'thread', at: 0, thread: worker, name: 'worker 1', runs: true },
      { type: 'thread', at: 0, thread: 99, name: 'libuv' },
      begins(2, 1),
      runs(2, 2, worker),
    ]);

    expect([...threads]).toEqual([
      [0, thread],
      [1, worker],
    ]);
    expect(events.filter(({ type }) => type === 'GoStart')).toMatchObject([{ p: 1 }]);
  });

  it('has CPU samples where they were taken, however late they come', () => {
    const { events } = trace([
      begins(2, 0),
      runs(2, 10),
      ends(2, 1000),
      { type: 'sample', at: 500, thread, execution: undefined, stack: [frame('burn'), frame('findAll')] },
    ]);
    const taken = events.find(({ type }) => type === 'CPUSample');

    expect(taken!.stack.map(({ functionName }) => functionName)).toEqual(['burn', 'findAll']);
    expect(events.indexOf(taken!)).toBeLessThan(events.findIndex(({ type }) => type === 'GoEnd'));
  });

  it('has CPU samples be of who ran', () => {
    const { events, goroutines } = trace([
      begins(2, 0, 'GET /cats'),
      runs(2, 10),
      sample(500),
      waits(2, 1000, 'timer'),
      sample(1500),
      runs(2, 2000),
    ]);
    const samples = events.filter(({ type }) => type === 'CPUSample').map(({ g }) => g);

    expect(samples).toEqual([goroutines[0]!.id, 0]);
  });

  it('says why it ended early, and takes nothing after', () => {
    const { logs, goroutines } = trace([
      { type: 'cut', at: 100, why: 'too many events' },
      begins(2, 200, 'late'),
    ]);

    expect(logs).toMatchObject([{ key: 'trace', text: 'too many events' }]);
    expect(goroutines).toHaveLength(1);
  });

  it('is handed out piece by piece, and what was handed out so far can be read', () => {
    const pieces: Uint8Array[] = [];
    const writer = goTraceWriter(PROCESS, (piece) => pieces.push(piece));
    for (let i = 0; i < 10_000; i++) {
      const at = i * 1000 * MS;
      const on = i % 2 ? thread : worker;
      writer.write(begins(i + 2, at));
      writer.write(runs(i + 2, at + 1, on));
      writer.write(waits(i + 2, at + 2, 'network', [frame(`query${i}`)]));
      writer.write(runs(i + 2, at + 3, on));
      writer.write(ends(i + 2, at + 4));
    }
    expect(pieces.length).toBeGreaterThan(5);

    for (const count of [2, 5]) {
      const { events } = readGoTrace(Buffer.concat(pieces.slice(0, count)));
      expect(events.length).toBeGreaterThan(1000);
    }
  });

  it('goes on with what ran when a piece was handed out', () => {
    const pieces: Uint8Array[] = [];
    const writer = goTraceWriter(PROCESS, (piece) => pieces.push(piece));
    const flush = (at: number): void => writer.flush(at + 2000 * MS); // past all that is held
    writer.write(begins(2, 0, 'GET /cats'));
    writer.write(runs(2, 10 * MS));
    flush(20 * MS);
    writer.write({ type: 'collection', at: 30 * MS, until: 50 * MS, thread, kind: 'scavenge' });
    flush(40 * MS);
    writer.write(waits(2, 60 * MS, 'timer'));
    flush(70 * MS);
    finished(writer.end(100 * MS));
    expect(named('GET /cats', readGoTrace(Buffer.concat(pieces.slice(0, 2)))).running).toBe(0);
    const all = named('GET /cats', readGoTrace(Buffer.concat(pieces)));
    expect(all.running / MS).toBeCloseTo(50, 3);
    expect(all.runnable / MS).toBeLessThan(11);
  });

  it('can be read however much of it has come, whatever events come', () => {
    fc.assert(
      fc.property(anyEvents, fc.integer({ min: 1, max: 20 }), (events, every) => {
        const pieces: Uint8Array[] = [];
        const writer = goTraceWriter(PROCESS, (piece) => pieces.push(piece));
        const read: string[] = [];
        for (const [i, event] of events.entries()) {
          writer.write(event);
          if (i % every > 0) continue;
          writer.flush(Infinity);
          if (pieces.length === 1) continue; // the header, and a collection that goes on
          read.push(readGoTrace(Buffer.concat(pieces)).version);
        }
        expect(new Set(read).size).toBeLessThanOrEqual(1);
      }),
      { numRuns: 100 },
    );
  });

  it('can be read whatever events come, in whatever order', () => {
    fc.assert(
      fc.property(anyEvents, (events) => {
        expect(() => trace(events)).not.toThrow();
      }),
      { numRuns: 500 },
    );
  });
});
