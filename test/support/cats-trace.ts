import type { TraceEvent, WaitCause } from '../../src/format/trace-event.js';
import { writtenTrace } from './trace-events.js';

/** In nanoseconds. */
export const MILLISECOND = 1_000_000;

/** Waits of each request: from where on, for what, for how many milliseconds. The request computes 1 ms before
 * each, and is runnable for 1 ms after the first. */
export const WAITS: readonly (readonly [string, WaitCause, number])[] = [
  ['query', 'network', 50],
  ['setTimeout', 'timer', 30],
  ['lock', 'promise', 5],
  ['readFile', 'syscall', 10],
];

/** A Go trace of requests `GET /cats/:id`, one after the other, each with a guard of 1 ms, a handler that waits, and a collection. */
export function catsTrace(requests: number): Uint8Array {
  return writtenTrace(events(requests));
}

function* events(requests: number): Generator<TraceEvent, void> {
  let time = 5_000_000_000_000;
  const after = (ms: number): number => (time += ms * MILLISECOND);
  const frames = [...WAITS.map(([name]) => name), 'CatsController.findOne'].map((name, i) => ({
    address: 100 + i,
    name,
    filename: '/app/cats.controller.js',
    line: 10 + i,
  }));
  const [handler] = frames.slice(-1);
  yield { type: 'thread', time, thread: 0, id: 4242, name: 'main' };
  yield { type: 'create', time, thread: 0, goroutine: 1, start: 0 };
  yield { type: 'name', id: 1, text: 'GET /cats/:id' };
  yield { type: 'stack', id: frames.length, frames: [handler!] };
  for (const [i, frame] of frames.slice(0, -1).entries()) {
    yield { type: 'stack', id: i + 1, frames: [frame, handler!] };
  }
  for (let i = 0; i < requests; i++) {
    const on = { thread: 0, goroutine: 2 + i };
    const task = 1 + i;
    yield { type: 'create', time: after(1), ...on, start: frames.length };
    yield { type: 'run', time, ...on };
    yield { type: 'task', time, ...on, task, parent: 0, name: 1 };
    yield { type: 'region', time, ...on, region: 2 * i + 1, task, name: 'guard' };
    yield { type: 'region-end', time: after(1), ...on, region: 2 * i + 1 };
    yield { type: 'region', time, ...on, region: 2 * i + 2, task, name: 'handler' };
    for (const [wait, [, cause, ms]] of WAITS.entries()) {
      yield { type: 'wait', time: after(1), ...on, cause, stack: wait + 1 };
      yield { type: 'wake', time: after(ms), ...on };
      yield { type: 'run', time: cause === 'network' ? after(1) : time, ...on };
    }
    yield { type: 'region-end', time: after(1), ...on, region: 2 * i + 2 };
    yield { type: 'log', time, ...on, task, key: 'status', value: '200' };
    yield { type: 'task-end', time, ...on, task };
    yield { type: 'end', time, ...on };
    yield { type: 'sample', time: time - MILLISECOND / 2, ...on, stack: 1 };
    yield { type: 'collection', time, end: after(1), kind: 'minor', before: 2 ** 26, after: 2 ** 25 };
  }
}
