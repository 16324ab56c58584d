import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readGoTrace } from '../../test/support/go-trace-reader.js';
import { anyEvents, writtenTrace } from '../../test/support/trace-events.js';
import { GoTraceWriter } from './go-trace.js';
import type { TraceEvent, TraceFrame } from './trace-event.js';
import { TraceOrder } from './trace-order.js';

const KEPT = ['task', 'region', 'log', 'collection', 'sample'];

const at = { thread: 0, goroutine: 2 };
const THREAD: TraceEvent = { type: 'thread', time: 1000, thread: 0, id: 4242, name: 'main' };

/** A request that waits for the network, for 5 µs. */
const REQUEST: readonly TraceEvent[] = [
  THREAD,
  { type: 'name', id: 1, text: 'GET /' },
  { type: 'create', time: 1001, ...at, start: 1 },
  { type: 'run', time: 1002, ...at },
  { type: 'task', time: 1003, ...at, task: 9, parent: 0, name: 1 },
  { type: 'region', time: 1004, ...at, region: 1, task: 9, name: 'guard' },
  { type: 'region-end', time: 1005, ...at, region: 1 },
  { type: 'wait', time: 2005, ...at, cause: 'network', stack: 1 },
  { type: 'stack', id: 1, frames: [frame(5, 'query'), frame(6, 'findAll')] },
  { type: 'run', time: 7005, ...at },
  { type: 'log', time: 7006, ...at, task: 9, key: 'status', value: '200' },
  { type: 'task-end', time: 7007, ...at, task: 9 },
  { type: 'end', time: 7008, ...at },
];

function frame(address: number, name: string): TraceFrame {
  return { address, name, filename: 'a.js', line: 3 };
}

function text(value: string): string {
  return Buffer.from(value).toString('hex');
}

describe('A Go trace', () => {
  it('of one request has these bytes', () => {
    const batch = `41 ${'ff'.repeat(9)}01 00`;
    expect(Buffer.from(writtenTrace(REQUEST)).toString('hex')).toBe(
      [
        text('go 1.19 trace\0\0\0'),
        // Of no thread: frequency, Gomaxprocs, and the stack of an unknown start function.
        `${batch} 02 8094ebdc03 84 00 01 00`,
        `25 01 09 ${text('(unknown)')} c3 8600 01 01 01 01 00 00`,
        // Names, and each stack once alone with its start function and once whole.
        `25 02 05 ${text('GET /')} 25 03 05 ${text('guard')}`,
        `25 05 07 ${text('findAll')} 25 07 04 ${text('a.js')} c3 8600 03 01 06 05 07 03`,
        `25 09 05 ${text('query')} c3 8a00 02 02 05 09 07 03 06 05 07 03`,
        `25 0b 06 ${text('status')}`,
        // The thread: ProcStart, GoCreate, GoStart, UserTaskCreate, UserRegion twice, GoBlockNet.
        '41 00 00 45 01 9221 cd 04 01 02 03 03 8e 01 02 01 ed 05 01 09 00 02 00',
        'ef 05 01 09 00 03 03 ef 05 01 09 01 03 03 5b e807 02',
        // GoUnblock, GoStart, UserLog, UserTaskEnd, GoEnd.
        `d5 05 8827 02 02 03 8e 00 02 03 f0 04 01 09 0b 00 03 ${text('200')} ae 01 09 00 0f 01`,
      ]
        .join('')
        .replaceAll(' ', ''),
    );
  });

  it('shows running, waits, tasks, regions and logs', () => {
    const trace = readGoTrace(writtenTrace(REQUEST));
    expect(trace.goroutines.get(2)).toEqual({
      name: 'findAll',
      created: 2,
      ended: 6009,
      running: 1003 + 3,
      runnable: 1,
      waits: { GoBlockNet: { count: 1, time: 5000 } },
    });
    expect(trace.tasks).toEqual([{ id: 9, parent: 0, name: 'GET /', goroutine: 2, begin: 4, end: 6008 }]);
    expect(trace.regions).toEqual([{ name: 'guard', task: 9, goroutine: 2, begin: 5, end: 6 }]);
    expect(trace.logs).toEqual([{ time: 6007, task: 9, goroutine: 2, key: 'status', value: '200' }]);
    expect([...trace.threads]).toEqual([[0, 4242]]);
  });

  it.each([
    ['network', 'GoBlockNet'],
    ['timer', 'GoSleep'],
    ['promise', 'GoBlockRecv'],
    ['select', 'GoBlockSelect'],
    ['syscall', 'GoSysBlock'],
  ] as const)('has a wait for %s as %s', (cause, type) => {
    const events: TraceEvent[] = [
      { type: 'run', time: 0, ...at },
      { type: 'wait', time: 1, ...at, cause, stack: 0 },
      { type: 'run', time: 6, ...at },
    ];
    expect(readGoTrace(writtenTrace(events)).goroutines.get(2)?.waits).toEqual({
      [type]: { count: 1, time: 5 },
    });
  });

  it('has collections with the heap before and after, and CPU samples', () => {
    const { collections, heap, samples } = readGoTrace(
      writtenTrace([
        ...REQUEST,
        { type: 'sample', time: 1500, ...at, stack: 1 },
        { type: 'collection', time: 1010, end: 1020, kind: 'minor', before: 9, after: 2 ** 40 },
        { type: 'collection', time: 1030, end: 1031, kind: 'major' },
      ]),
    );
    expect(collections).toEqual([
      { begin: 11, end: 21 },
      { begin: 31, end: 32 },
    ]);
    expect(heap).toEqual([
      { time: 11, bytes: 9 },
      { time: 21, bytes: 2 ** 40 },
    ]);
    expect(samples).toEqual([{ time: 501, p: 0, goroutine: 2, stack: ['query', 'findAll'] }]);
  });

  it('has a P for each thread', () => {
    const { events, threads } = readGoTrace(writtenTrace([{ ...THREAD, thread: 2 }, THREAD]));
    expect([...threads.keys()].sort()).toEqual([0, 2]);
    expect(events.filter(({ type }) => type === 'Gomaxprocs').map(({ args }) => args[0])).toEqual([1, 3]);
  });

  it('calls names and start functions "(unknown)" that are empty or are never defined', () => {
    const trace = readGoTrace(
      writtenTrace([
        { type: 'task', time: 0, ...at, task: 1, parent: 0, name: 0 },
        { type: 'task', time: 0, ...at, task: 2, parent: 0, name: 7 },
        { type: 'task', time: 0, ...at, task: 3, parent: 0, name: 8 },
        { type: 'name', id: 8, text: '' },
        { type: 'create', time: 0, thread: 0, goroutine: 3, start: 5 },
        { type: 'create', time: 0, thread: 0, goroutine: 4, start: 6 },
        { type: 'stack', id: 6, frames: [] },
        { type: 'create', time: 0, thread: 0, goroutine: 5, start: 7 },
        { type: 'stack', id: 7, frames: [{ address: 0, name: '', filename: '', line: 0 }] },
      ]),
    );
    const names = [...trace.tasks, ...trace.goroutines.values()].map(({ name }) => name);
    expect(names).toEqual(Array.from({ length: 7 }, () => '(unknown)'));
  });

  it('keeps the first definition of a name and of a stack', () => {
    const again: TraceEvent[] = [
      { type: 'name', id: 1, text: 'again' },
      { type: 'stack', id: 1, frames: [frame(7, 'again')] },
    ];
    const { tasks, goroutines } = readGoTrace(writtenTrace([...REQUEST, ...again]));
    expect([tasks[0]?.name, goroutines.get(2)?.name]).toEqual(['GET /', 'findAll']);
  });

  it('cuts strings and stacks that readers would refuse', () => {
    const frames = Array.from({ length: 1500 }, (_, i) => frame(2 ** 53 - 1 - i, `f${i}`));
    const { logs, stacks } = readGoTrace(
      writtenTrace([
        { type: 'stack', id: 1, frames },
        { type: 'log', time: 0, ...at, task: 0, key: '猫'.repeat(400_000), value: 'é'.repeat(400_000) },
      ]),
    );
    expect([logs[0]?.key, logs[0]?.value]).toEqual(['猫'.repeat(333_333), 'é'.repeat(333_333)]);
    expect(stacks.get(2)?.map(({ name }) => name)).toEqual([
      ...Array.from({ length: 99 }, (_, i) => `f${i}`),
      'f1499',
    ]);
  });

  it('writes a string again after 4,096 others', () => {
    const keys = [...Array.from({ length: 4097 }, (_, i) => `${i}`), '4096', '0'];
    const { strings, logs } = readGoTrace(writtenTrace(keys.map(log)));
    const times = (wanted: string): number => [...strings.values()].filter((text) => text === wanted).length;
    expect([times('4096'), times('0'), logs.at(-1)?.key]).toEqual([1, 2, '0']);
  });

  it('that is taken while it is written has the same events, in pieces of up to 64 KiB that a reader accepts', () => {
    const events = Array.from({ length: 1000 }, (_, i) =>
      REQUEST.map((event) => later(event, 10_000 * i)),
    ).flat();
    const writer = new GoTraceWriter();
    const order = new TraceOrder((event) => writer.add(event));
    const pieces: Uint8Array[] = [];
    for (const [i, event] of events.entries()) {
      order.add(event);
      if ((i + 1) % (200 * REQUEST.length) === 0) pieces.push(...writer.take());
    }
    expect(readGoTrace(Buffer.concat(pieces)).tasks.length).toBeGreaterThan(100);
    writer.finish();
    pieces.push(...writer.take());
    expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThanOrEqual(65_536);
    const trace = readGoTrace(Buffer.concat(pieces));
    expect(trace.tasks).toHaveLength(1000);
    expect(trace.events).toEqual(readGoTrace(writtenTrace(events)).events);
  });
});

describe('A Go trace of events in any order', () => {
  it('is read without an error, with every task, region, log, collection and sample', () => {
    fc.assert(
      fc.property(anyEvents(100), (events) => {
        const { tasks, regions, logs, collections, samples } = readGoTrace(writtenTrace(events));
        expect([tasks, regions, logs, collections, samples].map(({ length }) => length)).toEqual(
          KEPT.map((type) => countOf(events, type)),
        );
      }),
      { seed: 18, numRuns: 150 },
    );
  });
});

function log(key: string): TraceEvent {
  return { type: 'log', time: 0, ...at, task: 0, key, value: '' };
}

function later(event: TraceEvent, delay: number): TraceEvent {
  return 'time' in event ? { ...event, time: event.time + delay } : event;
}

function countOf(events: readonly TraceEvent[], type: string): number {
  return events.filter((event) => event.type === type).length;
}
