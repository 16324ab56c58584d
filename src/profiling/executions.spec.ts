import { describe, expect, it } from '@jest/globals';
import { finished } from '../format/finished.js';
import type { PlaceInCode } from '../format/profile-builder.js';
import { namedFrame, type RawFrame } from '../sampling/sampler.js';
import type { PendingAwait } from './async-tracker.js';
import {
  awaitExecution,
  type Execution,
  executionDump,
  executionStacks,
  requestExecution,
  resourceExecutions,
  runningExecution,
  threadExecution,
} from './executions.js';
import type { RequestUnderWay } from './requests-in-flight.js';

const FIND: RawFrame = { ...namedFrame('findOne', 'CatsController'), url: 'file:///app/cats.js', line: 18 };
const LEAF: RawFrame = { ...namedFrame('find', 'CatsService'), url: 'file:///app/cats.js', line: 41 };
/** What Nest calls has the handler's name too. */
const PROXY: RawFrame = { ...FIND, url: 'file:///app/node_modules/router-proxy.js', line: 6 };

const request = (more: Partial<RequestUnderWay> = {}): RequestUnderWay => ({
  startedMs: 1000,
  method: 'GET',
  route: '/cats/:id',
  handler: { className: 'CatsController', method: 'findOne', fn: () => {} },
  phase: 'handling',
  clientGone: false,
  ...more,
});

const pending = (more: Partial<PendingAwait> = {}): PendingAwait => ({
  id: 77,
  state: 'IO wait',
  since: 2000,
  stack: [LEAF, FIND, PROXY],
  weight: 1,
  request: request(),
  ...more,
});

const placeOf = ({ className, functionName, url, line }: RawFrame): PlaceInCode => ({
  address: 1,
  functionName: className === undefined ? functionName : `${className}.${functionName}`,
  filename: url.replace('file://', ''),
  startLine: 0,
  line,
  column: 0,
});

/** The blocks of a dump at 5 s. */
function dump(...executions: Execution[]): string[] {
  const text = finished(executionDump(executions, 5000, (i) => executions[i]!.stack.map(placeOf)));
  return text
    .join('')
    .split(/\n\n|\n$/)
    .filter(Boolean);
}

describe('an execution', () => {
  it('that awaits is labelled by the pattern of its request’s route', () => {
    const [stack, ...more] = executionStacks([awaitExecution(pending({ weight: 16 }))]);
    expect(more).toEqual([]);
    expect(stack).toEqual({
      stack: [LEAF, FIND, PROXY],
      values: [16],
      labels: { route: 'GET /cats/:id', state: 'IO wait' },
    });
  });

  it('that awaits for no request has its state alone', () => {
    expect([...executionStacks([awaitExecution(pending({ request: undefined }))])][0]!.labels).toEqual({
      state: 'IO wait',
    });
  });

  it('of a request is named by its handler, where it has one', () => {
    const stacks = [
      ...executionStacks([
        requestExecution(request()),
        requestExecution(request({ handler: undefined, route: undefined })),
      ]),
    ];
    expect(
      stacks.map(({ stack, labels }) => [
        stack.map(({ className, functionName }) => [className, functionName]),
        labels,
      ]),
    ).toEqual([
      [[['CatsController', 'findOne']], { route: 'GET /cats/:id', state: 'waiting' }],
      [[[undefined, '(request)']], { route: 'GET (no route)', state: 'waiting' }],
    ]);
  });

  it('of a resource stands for all of its type', () => {
    const found = resourceExecutions(['Timeout', 'TCPSocketWrap', 'Timeout', 'FSReqCallback', 'Odd']);
    expect(
      found.map(({ stack, weight, state, labels }) => [
        stack[0]!.functionName,
        weight,
        state,
        labels.resource,
      ]),
    ).toEqual([
      ['(Timeout)', 2, 'sleep', 'Timeout'],
      ['(TCPSocketWrap)', 1, 'IO wait', 'TCPSocketWrap'],
      ['(FSReqCallback)', 1, 'syscall', 'FSReqCallback'],
      ['(Odd)', 1, 'waiting', 'Odd'],
    ]);
  });

  it('counts where it is asked to, and is in a dump nevertheless', () => {
    const all = [awaitExecution(pending()), { ...awaitExecution(pending({ id: 78 })), leaked: true }];
    expect([...executionStacks(all, ({ leaked }) => leaked === true)].map(({ values }) => values)).toEqual([
      [0],
      [1],
    ]);
    expect(dump(...all)).toHaveLength(2);
  });
});

describe('a dump of executions', () => {
  it('tells state and age, and who made it: the handler, where it is in the application’s own code', () => {
    const [block] = dump(awaitExecution(pending()));
    expect(block).toMatch(
      /^goroutine 77 \[IO wait\] \{route: "GET \/cats\/:id", age: 3\.0s\}:\nCatsService\.find\(\.\.\.\)\n\t\/app\/cats\.js:41\n/,
    );
    expect(block).toMatch(/\ncreated by CatsController\.findOne in goroutine \d+\n\t\/app\/cats\.js:18$/);
  });

  it('has a number for each request, the same one each time', () => {
    const [one, other] = [request(), request()];
    const parents = [one, one, other].map(
      (of) => /in goroutine (\d+)/.exec(dump(awaitExecution(pending({ request: of })))[0]!)![1],
    );
    expect(parents[0]).toBe(parents[1]);
    expect(parents[2]).not.toBe(parents[0]);
    expect(String(requestExecution(one).id)).toBe(parents[0]);
  });

  it('tells how many one stands for', () => {
    expect(dump(awaitExecution(pending({ weight: 16 })))[0]).toContain('age: 3.0s, count: 16}');
    expect(dump(...resourceExecutions(['Timeout', 'Timeout']))[0]).toContain('{resource: Timeout, count: 2}');
  });

  it('marks what is leaked, and tells minutes', () => {
    expect(
      dump({ ...awaitExecution(pending({ state: 'chan receive', since: -120_000 })), leaked: true })[0],
    ).toMatch(/^goroutine 77 \[chan receive \(leaked\), 2 minutes\] /);
  });

  it('begins a block for what runs, here or in a worker', () => {
    expect(dump(runningExecution([LEAF]))[0]).toBe(
      'goroutine 1 [running]:\nCatsService.find(...)\n\t/app/cats.js:41',
    );
    const threads = [
      threadExecution({ threadId: 3, name: 'pool', frames: [LEAF] }),
      threadExecution({ threadId: 4, name: '', frames: undefined }),
    ];
    expect(dump(...threads)).toEqual([
      expect.stringMatching(/^goroutine \d+ \[running\] \{thread: "pool 3"\}:\nCatsService\.find\(/),
      expect.stringMatching(/^goroutine \d+ \[waiting\] \{thread: 4\}:\n\(idle, blocked or not told\)\(/),
    ]);
  });
});
