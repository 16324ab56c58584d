import { describe, expect, it } from '@jest/globals';
import type { TraceEvent } from './trace-event.js';
import { TraceOrder } from './trace-order.js';

/** The thread and goroutine 1, which most streams begin with. */
const BEGIN: readonly TraceEvent[] = [
  { type: 'thread', time: 0, thread: 0, id: 7, name: 'main' },
  { type: 'create', time: 0, thread: 0, goroutine: 1, start: 0 },
];

/** Events of a goroutine on a thread. */
function on(thread: number, goroutine: number) {
  const at = (time: number) => ({ time, thread, goroutine });
  return {
    create: (time: number, start = 0): TraceEvent => ({ type: 'create', ...at(time), start }),
    run: (time: number): TraceEvent => ({ type: 'run', ...at(time) }),
    wait: (time: number, stack = 0): TraceEvent => ({ type: 'wait', ...at(time), cause: 'network', stack }),
    preempt: (time: number): TraceEvent => ({ type: 'preempt', ...at(time) }),
    wake: (time: number): TraceEvent => ({ type: 'wake', ...at(time) }),
    end: (time: number): TraceEvent => ({ type: 'end', ...at(time) }),
    task: (time: number, task: number): TraceEvent => ({
      type: 'task',
      ...at(time),
      task,
      parent: 0,
      name: 1,
    }),
    taskEnd: (time: number, task: number): TraceEvent => ({ type: 'task-end', ...at(time), task }),
    region: (time: number, region: number): TraceEvent => ({
      type: 'region',
      ...at(time),
      region,
      task: 0,
      name: 'guard',
    }),
    regionEnd: (time: number, region: number): TraceEvent => ({ type: 'region-end', ...at(time), region }),
    log: (time: number): TraceEvent => ({ type: 'log', ...at(time), task: 0, key: 'status', value: '200' }),
    sample: (time: number): TraceEvent => ({ type: 'sample', ...at(time), stack: 1 }),
  };
}

const a = on(0, 2);
const b = on(0, 3);

function collection(time: number, end: number): TraceEvent {
  return { type: 'collection', time, end, kind: 'minor' };
}

function ordered(...events: TraceEvent[]): TraceEvent[] {
  const out: TraceEvent[] = [];
  const order = new TraceOrder((event) => out.push(event));
  for (const event of events) order.add(event);
  return out;
}

/** What follows the begin, as `type goroutine time`, with the number of a thread other than 0, of a region or of a task. */
function after(...events: TraceEvent[]): string[] {
  return ordered(...BEGIN, ...events)
    .slice(BEGIN.length)
    .map(shortened);
}

function shortened(event: TraceEvent): string {
  const { type, goroutine, time, thread, region, task } = event as Partial<
    Record<'goroutine' | 'time' | 'thread' | 'region' | 'task', number>
  > & { type: string };
  const number = type.startsWith('region') ? region : type.startsWith('task') ? task : undefined;
  const parts = [
    type,
    goroutine && `g${goroutine}`,
    number && `#${number}`,
    time,
    thread ? `on ${thread}` : '',
  ];
  return parts.filter((part) => part !== undefined && part !== '').join(' ');
}

describe('TraceOrder', () => {
  it('passes events that are consistent as they are', () => {
    const events: TraceEvent[] = [
      ...BEGIN,
      { type: 'name', id: 1, text: 'GET /' },
      a.create(1),
      a.run(2),
      a.task(3, 1),
      a.region(4, 1),
      a.wait(5),
      a.wake(6),
      a.run(7),
      a.log(7),
      a.regionEnd(8, 1),
      a.taskEnd(9, 1),
      a.sample(8),
      a.end(10),
      { type: 'collection', time: 3, end: 4, kind: 'minor' },
      { type: 'stack', id: 1, frames: [] },
      { type: 'thread-end', time: 11, thread: 0 },
    ];
    const out = ordered(...events);
    expect(out).toHaveLength(events.length);
    expect(out.filter((event, i) => event !== events[i])).toEqual([]);
  });

  it('begins threads and goroutines that are missing', () => {
    expect(ordered(on(2, 5).run(3))).toEqual([
      { type: 'thread', time: 3, thread: 2, id: 2, name: '' },
      on(2, 5).create(3),
      on(2, 5).run(3),
    ]);
  });

  it('lets no time fall on a thread, nor for a goroutine', () => {
    expect(after(a.create(9), a.run(4), a.wait(8), on(1, 2).run(5), on(1, 2).end(12), b.create(3))).toEqual([
      'create g2 9',
      'run g2 9',
      'wait g2 9',
      'thread 5 on 1',
      'wake g2 9 on 1',
      'run g2 9 on 1',
      'end g2 12 on 1',
      'create g3 9',
    ]);
  });

  it('has no time before that of the first event', () => {
    const out = ordered(
      { type: 'thread', time: 50, thread: 0, id: 7, name: '' },
      on(1, 1).run(9),
      a.sample(3),
      {
        type: 'collection',
        time: 1,
        end: 2,
        kind: '',
      },
    );
    expect(out.map((event) => 'time' in event && event.time)).toEqual([50, 50, 50, 50, 50, 50]);
  });

  it('wakes what runs without it, before it preempts what ran', () => {
    expect(after(a.run(1), a.wait(2), b.run(3), a.run(4))).toEqual([
      'create g2 1',
      'run g2 1',
      'wait g2 2',
      'create g3 3',
      'run g3 3',
      'wake g2 4',
      'preempt g3 4',
      'run g2 4',
    ]);
  });

  it.each([
    ['waits', b.wait(3), 'wait g3 3'],
    ['ends', b.end(3), 'end g3 3'],
  ])('runs a goroutine again when the one that began inside it %s', (_, event, emitted) => {
    expect(after(a.create(0), b.create(0), a.run(1), b.run(2), event, a.run(3), a.wait(4)).slice(2)).toEqual([
      'run g2 1',
      'preempt g2 2',
      'run g3 2',
      emitted,
      'run g2 3',
      'wait g2 4',
    ]);
  });

  it('does not run a goroutine again that meanwhile waits, has ended, or whose thread has ended', () => {
    const c = on(0, 4);
    const events = [a.run(1), b.run(2), c.run(3), a.end(4), b.wait(5), c.wait(6)];
    expect(after(...events).slice(-6)).toEqual([
      'run g4 4',
      'preempt g4 5',
      'run g3 5',
      'wait g3 5',
      'run g4 5',
      'wait g4 6',
    ]);
    const stop: TraceEvent = { type: 'thread-end', time: 3, thread: 0 };
    expect(after(a.run(1), b.run(2), stop, b.run(4), b.wait(5)).slice(-5)).toEqual([
      'preempt g3 3',
      'thread-end 3',
      'thread 4',
      'run g3 4',
      'wait g3 5',
    ]);
  });

  it('preempts a goroutine where it runs before it runs on another thread', () => {
    expect(after(a.create(0), b.run(1), a.run(2), on(1, 2).run(3), on(1, 2).wait(4)).slice(-6)).toEqual([
      'run g2 2',
      'thread 3 on 1',
      'preempt g2 3',
      'run g3 3',
      'run g2 3 on 1',
      'wait g2 4 on 1',
    ]);
  });

  it('takes what a running goroutine does to where it runs', () => {
    expect(after(a.run(1), on(1, 2).log(2), on(1, 2).end(3)).slice(2)).toEqual([
      'thread 2 on 1',
      'log g2 2',
      'end g2 3',
    ]);
  });

  it('gives a goroutine that it sees late a new number', () => {
    expect(after(b.run(1), b.wait(2), a.log(3))).toEqual([
      'create g3 1',
      'run g3 1',
      'wait g3 2',
      'create g4 3',
      'run g4 3',
      'log g4 3',
      'preempt g4 3',
    ]);
  });

  it('drops what a goroutine cannot do in its state', () => {
    const events = [
      a.create(2),
      a.wake(3),
      a.preempt(3),
      a.wait(4),
      a.wait(5),
      a.preempt(5),
      on(0, 9).wake(5),
    ];
    expect(after(a.create(1), ...events, on(0, 1).end(6))).toEqual(['create g2 1', 'run g2 4', 'wait g2 4']);
  });

  it('gives a number that is created again a new one', () => {
    const out = after(
      a.run(1),
      b.create(1),
      a.end(2),
      a.create(3),
      a.run(4),
      a.log(5),
      a.sample(5),
      a.end(6),
    );
    expect(out.slice(-5)).toEqual(['create g4 3', 'run g4 4', 'log g4 5', 'sample g4 5', 'end g4 6']);
  });

  it('gives goroutine 1 the tasks, regions and logs of one that has ended, and drops its other events', () => {
    const ended = [a.run(1), a.end(2)];
    const events = [a.run(3), a.wake(3), a.wait(4), a.end(5), a.task(6, 1), a.log(7), a.taskEnd(8, 1)];
    expect(after(on(0, 1).run(1), ...ended, ...events).slice(-5)).toEqual([
      'end g2 2',
      'run g1 2',
      'task g1 #1 6',
      'log g1 7',
      'task-end g1 #1 8',
    ]);
  });

  it('makes a goroutine that waited before the trace wait from its creation on', () => {
    const waits: TraceEvent = { type: 'create', time: 1, thread: 0, goroutine: 2, start: 5, waits: 'timer' };
    expect(ordered(...BEGIN, waits).slice(2)).toEqual([
      a.create(1, 5),
      a.run(1),
      { ...a.wait(1), cause: 'timer' },
    ]);
  });

  it('makes a goroutine run for the moment of an annotation, and then wait as before', () => {
    expect(ordered(...BEGIN, a.create(0), b.run(1), a.run(1), a.wait(2, 6), a.log(3)).slice(-6)).toEqual([
      a.wake(3),
      b.preempt(3),
      a.run(3),
      a.log(3),
      a.wait(3, 6),
      b.run(3),
    ]);
  });

  it('makes a goroutine run for the moment of an annotation, and then be runnable as before', () => {
    expect(after(a.create(1), a.log(2), b.run(3), b.wait(4)).slice(1)).toEqual([
      'run g2 2',
      'log g2 2',
      'preempt g2 2',
      'create g3 3',
      'run g3 3',
      'wait g3 4',
    ]);
  });

  it('keeps the place of an interrupted goroutine that has an annotation', () => {
    const c = on(0, 4);
    expect(after(a.run(1), b.run(2), c.run(3), a.log(4), c.wait(5), b.wait(6), a.wait(7)).slice(-10)).toEqual(
      [
        'preempt g4 4',
        'run g2 4',
        'log g2 4',
        'preempt g2 4',
        'run g4 4',
        'wait g4 5',
        'run g3 5',
        'wait g3 6',
        'run g2 6',
        'wait g2 7',
      ],
    );
  });

  it('ends a region that has others inside with the last of them', () => {
    const events = [a.region(2, 1), a.region(3, 2), a.region(4, 3), a.regionEnd(5, 1), a.regionEnd(6, 2)];
    expect(after(a.run(1), ...events, a.regionEnd(7, 3), a.regionEnd(8, 1)).slice(-5)).toEqual([
      'region g2 #2 3',
      'region g2 #3 4',
      'region-end g2 #3 7',
      'region-end g2 #2 7',
      'region-end g2 #1 7',
    ]);
  });

  it('ends the regions of a goroutine with it', () => {
    expect(after(a.run(1), a.region(2, 1), a.region(3, 2), a.end(4), a.regionEnd(5, 1)).slice(-3)).toEqual([
      'region-end g2 #2 4',
      'region-end g2 #1 4',
      'end g2 4',
    ]);
  });

  it('begins a task and a region once, and ends what has begun', () => {
    const twice = [a.task(2, 1), a.task(3, 1), a.region(4, 1), a.region(5, 1)];
    const ends = [a.regionEnd(6, 1), a.regionEnd(7, 1), a.taskEnd(8, 1), a.taskEnd(9, 1), a.taskEnd(9, 2)];
    expect(after(a.run(1), ...twice, ...ends).slice(2)).toEqual([
      'task g2 #1 2',
      'region g2 #1 4',
      'region-end g2 #1 6',
      'task-end g2 #1 8',
    ]);
  });

  it('ends a task after its begin, also on another thread', () => {
    expect(after(a.run(1), a.task(9, 1), on(1, 3).run(2), on(1, 3).taskEnd(4, 1)).at(-1)).toBe(
      'task-end g3 #1 10 on 1',
    );
  });

  it('lets no collections overlap', () => {
    const given = [collection(5, 9), collection(7, 8), collection(4, 12), collection(13, 14)];
    expect(ordered(...BEGIN, ...given).slice(2)).toEqual([
      collection(5, 9),
      collection(9, 9),
      collection(9, 12),
      collection(13, 14),
    ]);
  });

  it('keeps the goroutine of a sample that comes after its end, but not of one before its begin', () => {
    expect(after(a.create(3), a.end(5), a.sample(4), a.sample(3), on(0, 99).sample(4)).slice(-3)).toEqual([
      'sample g2 4',
      'sample 0 3',
      'sample 0 4',
    ]);
  });
});
