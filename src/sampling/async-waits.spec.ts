import { describe, expect, it, jest } from '@jest/globals';
import { AsyncWaits } from './async-waits.js';
import type { Wait, WaitObserver } from './wait-sample.js';
import { type CallerFrame, callStackOf } from './call-stack.js';

const code = (name: string, filename = '/app/cats.js'): CallerFrame => ({ name, filename, line: 1 });

function ownFile(): string {
  return callStackOf(ownFile)[0]!.filename;
}

/** Node in small: numbers its resources, and calls the hooks as Node does. */
class MadeUpNode {
  ms = 0;
  context: unknown;
  stack: readonly CallerFrame[] = [code('findOne')];
  random = (): number => 0;
  stacksRead = 0;
  private readonly resources: object[] = [];
  private readonly collected = new Set<object>();
  private executing = 0;
  private last = 0;

  readonly waits = new AsyncWaits({
    now: () => this.ms,
    random: () => this.random(),
    executionAsyncId: () => this.executing,
    context: () => this.context,
    stackOf: () => {
      this.stacksRead++;
      return this.stack;
    },
    ref: (resource) => ({ deref: () => (this.collected.has(resource) ? undefined : resource) }),
  });

  /** `new Promise`, or what an async function returns. */
  promise(): number {
    return this.made('PROMISE', this.executing);
  }

  /** What `await` and `then` make of a promise. */
  derived(from: number): number {
    return this.made('PROMISE', from);
  }

  resource(type: string): number {
    const { stack } = this;
    if (type === 'Timeout') this.stack = [code('setTimeout', 'node:timers'), ...stack];
    const id = this.made(type, this.executing);
    this.stack = stack;
    return id;
  }

  /** Node calls back for a resource. */
  callback(id: number, work: () => void = () => {}): void {
    this.waits.before(id);
    this.executing = id;
    work();
  }

  /** V8 collects resources. */
  collect(...ids: readonly number[]): void {
    for (const id of ids) this.collected.add(this.resources[id - 1]!);
  }

  observe(options: Partial<WaitObserver> = {}): Observed {
    const ended: [wait: Wait, ms: number][] = [];
    const lost: Wait[] = [];
    const sample = this.waits.join({
      rate: 1,
      callbacks: true,
      ended: (wait, ms) => void ended.push([wait, ms]),
      lost: (wait) => void lost.push(wait),
      ...options,
    });
    return {
      ended,
      lost,
      findLost: () => void Array.from(sample.findLost()),
      pending: () => Array.from(sample.pending(), ({ id }) => id),
      states: () => Array.from(sample.pending(), ({ state }) => state),
    };
  }

  private made(type: string, trigger: number): number {
    const id = ++this.last;
    const resource = {};
    this.resources.push(resource);
    this.waits.init(id, type, trigger, resource);
    return id;
  }
}

interface Observed {
  readonly ended: [wait: Wait, ms: number][];
  readonly lost: Wait[];
  findLost(): void;
  pending(): number[];
  states(): string[];
}

/** `await setTimeout(ms)`: the promise of the await, and what happens when the time is over. */
function sleep(node: MadeUpNode): { awaited: number; fire: () => void } {
  const promise = node.promise();
  const timer = node.resource('Timeout');
  const fire = (): void => node.callback(timer, () => node.waits.promiseResolve(promise));
  return { awaited: node.derived(promise), fire };
}

/** A call of async functions that await each other, `depth` deep, of which the innermost sleeps. */
function call(node: MadeUpNode, depth: number): { result: number; awaited: number; end: () => void } {
  const results = Array.from({ length: depth }, () => node.promise());
  const { awaited, fire } = sleep(node);
  const [innermost, ...callers] = results.toReversed();
  const awaits = [innermost!, ...callers].slice(0, -1).map((result) => node.derived(result));
  const end = (): void => {
    fire();
    for (const [i, id] of [awaited, ...awaits].entries())
      node.callback(id, () => node.waits.promiseResolve(results.at(-1 - i)!));
  };
  return { result: results[0]!, awaited, end };
}

/** `await Promise.all(…)`: what awaits each, and all. */
function all(node: MadeUpNode, promises: readonly number[]): { elements: number[]; awaited: number } {
  const result = node.promise();
  return { elements: promises.map((promise) => node.derived(promise)), awaited: node.derived(result) };
}

describe('a wait', () => {
  it('at an await lasts from there until the execution goes on', () => {
    const node = new MadeUpNode();
    const { ended, pending } = node.observe();
    node.ms = 10;
    const { awaited, fire } = sleep(node);
    node.ms = 60;
    fire();
    expect(ended).toEqual([]);
    node.callback(awaited);
    expect(ended).toEqual([
      [expect.objectContaining({ id: awaited, isAwait: true, state: 'sleep', begin: 10 }), 50],
    ]);
    expect(pending()).toEqual([]);
  });

  it('counts once where functions four deep await each other: at the innermost', () => {
    const node = new MadeUpNode();
    const { pending } = node.observe({ callbacks: false });
    const callers = [1, 2, 3, 4].map(() => node.promise());
    const { awaited } = sleep(node);
    for (const caller of callers.toReversed()) node.derived(caller);
    expect(pending()).toEqual([awaited]);
  });

  it('of a callee that goes on and awaits again counts again', () => {
    const node = new MadeUpNode();
    const { ended, pending } = node.observe();
    const caller = node.promise();
    const first = sleep(node);
    node.derived(caller);
    node.ms = 50;
    first.fire();
    let second: ReturnType<typeof sleep> | undefined;
    node.callback(first.awaited, () => (second = sleep(node)));
    node.ms = 80;
    second!.fire();
    node.callback(second!.awaited);
    expect(ended.map(([, ms]) => ms)).toEqual([50, 30]);
    expect(pending()).toEqual([]);
  });

  it('for a promise from before the callback counts separately from other waits', () => {
    const node = new MadeUpNode();
    const { pending, states } = node.observe({ callbacks: false });
    const lock = node.promise();
    const tick = node.resource('Immediate');
    node.callback(tick, () => {
      const { awaited } = sleep(node);
      const onLock = node.derived(lock);
      expect(pending()).toEqual([awaited, onLock]);
    });
    expect(states()).toEqual(['sleep', 'chan receive']);
  });

  it('of each of two executions that were started side by side counts', () => {
    const node = new MadeUpNode();
    const { pending } = node.observe({ callbacks: false });
    const executions = [1, 2].map(() => {
      const execution = node.promise();
      return { execution, ...sleep(node) };
    });
    for (const { execution } of executions) node.derived(execution);
    expect(pending()).toEqual(executions.map(({ awaited }) => awaited));
  });

  it.each([
    ['the short one first', [1, 3], [0, 1]],
    ['the short one last', [3, 1], [1, 0]],
    ['two that are long', [3, 3], [1, 0]],
  ])('of each call in one Promise.all counts once, at its innermost: %s', (_, depths, order) => {
    const node = new MadeUpNode();
    const { ended, pending } = node.observe({ callbacks: false });
    const handler = node.promise();
    const calls = depths.map((depth) => call(node, depth));
    const { elements, awaited } = all(
      node,
      calls.map(({ result }) => result),
    );
    const caller = node.derived(handler);
    for (const i of order) {
      node.ms += 50;
      calls[i]!.end();
      node.callback(elements[i]!);
      node.callback(node.resource('Immediate'));
    }
    node.callback(awaited);
    node.callback(caller);
    const expected = order.map((i, n) => [calls[i]!.awaited, 50 * (n + 1)]);
    expect([ended.map(([{ id }, ms]) => [id, ms]), pending()]).toEqual([expected, []]);
  });

  it('of workers side by side that call again and again counts once for each call', () => {
    const node = new MadeUpNode();
    const { ended, pending } = node.observe({ callbacks: false });
    const workers = [1, 2, 3].map(() => {
      const result = node.promise();
      const first = call(node, 3);
      return { result, work: first, awaited: node.derived(first.result) };
    });
    const { elements, awaited } = all(
      node,
      workers.map(({ result }) => result),
    );
    for (let round = 0; round < 3; round++) {
      for (const worker of workers) {
        node.ms += 10;
        worker.work.end();
        node.callback(worker.awaited, () => {
          worker.work = call(node, 3);
          worker.awaited = node.derived(worker.work.result);
        });
      }
    }
    expect(pending()).toEqual(workers.map(({ work }) => work.awaited));
    for (const [i, worker] of workers.entries()) {
      node.ms += 10;
      worker.work.end();
      node.callback(worker.awaited, () => node.waits.promiseResolve(worker.result));
      node.callback(elements[i]!);
      node.callback(node.resource('Immediate'));
    }
    node.callback(awaited);
    expect(ended).toHaveLength(12);
    expect(pending()).toEqual([]);
  });

  it('of each of several executions for the same promise counts', () => {
    const node = new MadeUpNode();
    const { pending } = node.observe();
    const shared = node.promise();
    const awaited = [1, 2, 3].map(() => {
      const [caller, callee] = [node.promise(), node.promise()];
      const id = node.derived(shared);
      node.derived(callee);
      node.derived(caller);
      return id;
    });
    expect(pending()).toEqual(awaited);
  });

  it('that Node only forwards counts once', () => {
    const node = new MadeUpNode();
    const { pending } = node.observe();
    node.stack = [code('stat', 'node:internal/fs/promises'), code('findOne')];
    const result = node.promise();
    node.resource('FSREQPROMISE');
    const awaited = node.derived(result);
    node.derived(node.promise());
    expect(pending()).toEqual([awaited]);
  });

  it('for a callback lasts from the call that will call back', () => {
    const node = new MadeUpNode();
    const { ended, pending } = node.observe();
    const timer = node.resource('Timeout');
    expect(pending()).toEqual([timer]);
    node.ms = 40;
    node.callback(timer);
    node.ms = 50;
    node.callback(node.resource('TickObject'));
    expect(ended).toEqual([[expect.objectContaining({ id: timer, isAwait: false, state: 'sleep' }), 40]]);
  });

  it('for a callback that settles a promise is the one at the await of that', () => {
    const node = new MadeUpNode();
    const { ended } = node.observe();
    const timer = node.resource('Timeout');
    const promise = node.promise();
    const awaited = node.derived(promise);
    node.callback(timer, () => node.waits.promiseResolve(promise));
    node.callback(awaited);
    node.callback(node.resource('TickObject'));
    expect(ended.map(([{ id }]) => id)).toEqual([awaited]);
  });

  it('for a callback counts if the callback settles only promises that it has made', () => {
    const node = new MadeUpNode();
    const { ended } = node.observe();
    const timer = node.resource('Timeout');
    node.callback(timer, () => node.waits.promiseResolve(node.promise()));
    node.callback(node.resource('TickObject'));
    expect(ended.map(([{ id }]) => id)).toEqual([timer]);
  });

  it('for a callback goes on when the async function that began it has ended', () => {
    const node = new MadeUpNode();
    const { pending } = node.observe();
    const execution = node.promise();
    const timer = node.resource('Timeout');
    const awaited = node.derived(execution);
    expect(pending()).toEqual([timer, awaited]);
  });

  it('does not count if the promise is already settled, nor for the caller of a function that awaits such a promise', () => {
    const node = new MadeUpNode();
    const { ended, pending } = node.observe();
    const caller = node.promise();
    const settled = node.promise();
    node.waits.promiseResolve(settled);
    const waits = [node.derived(settled), node.derived(caller)];
    node.ms = 0.1;
    for (const id of waits) node.callback(id);
    expect([ended, pending()]).toEqual([[], []]);
  });

  it('for a promise that was resolved with one that is pending counts', () => {
    const node = new MadeUpNode();
    const { ended } = node.observe();
    const promise = node.promise();
    node.waits.promiseResolve(promise);
    const awaited = node.derived(promise);
    node.ms = 50;
    node.callback(awaited);
    expect(ended.map(([{ id }, ms]) => [id, ms])).toEqual([[awaited, 50]]);
  });

  it('is covered by one that began later and was another matter, and counts when that has ended', () => {
    const node = new MadeUpNode();
    const { ended, pending } = node.observe();
    const rows = node.promise();
    const audit = node.derived(node.promise());
    const awaited = node.derived(rows);
    const caller = node.derived(node.promise());
    expect(pending()).toEqual([audit, caller]);
    node.ms = 10;
    node.callback(audit);
    node.ms = 20;
    node.callback(node.resource('Immediate'));
    expect(pending()).toEqual([awaited, caller]);
    node.ms = 50;
    node.callback(awaited);
    expect(ended.map(([{ id }, ms]) => [id, ms])).toEqual([
      [audit, 10],
      [awaited, 40],
    ]);
  });

  it('of a callee that goes on and awaits again covers those of its callers', () => {
    const node = new MadeUpNode();
    const { pending } = node.observe();
    const calls = [1, 2].map(() => node.promise());
    const first = node.derived(node.promise());
    const callers = calls.toReversed().map((call) => node.derived(call));
    let second = 0;
    node.callback(first, () => (second = node.derived(node.promise())));
    node.callback(node.resource('Immediate'));
    expect(pending()).toEqual([second]);
    let third = 0;
    node.callback(second);
    node.callback(callers[0]!, () => (third = node.derived(node.promise())));
    node.callback(node.resource('Immediate'));
    expect(pending()).toEqual([third]);
  });

  it('that was covered and continues within a millisecond does not count', () => {
    const node = new MadeUpNode();
    const { ended } = node.observe();
    const call = node.promise();
    const callee = node.derived(node.promise());
    const caller = node.derived(call);
    node.ms = 50;
    node.callback(callee);
    node.callback(node.resource('Immediate'));
    node.ms = 50.9;
    node.callback(caller);
    expect(ended.map(([{ id }]) => id)).toEqual([callee]);
  });

  it('for a callback is not sampled for those who want awaits only', () => {
    const node = new MadeUpNode();
    const { pending } = node.observe({ callbacks: false });
    node.resource('Timeout');
    expect([pending(), node.stacksRead]).toEqual([[], 0]);
  });

  it.each([
    ['Timeout', 'sleep'],
    ['TCPWRAP', 'IO wait'],
    ['GETADDRINFOREQWRAP', 'IO wait'],
    ['HTTPCLIENTREQUEST', 'IO wait'],
    ['FSREQCALLBACK', 'syscall'],
    ['PBKDF2REQUEST', 'syscall'],
    ['TickObject', 'chan receive'],
  ])('for a promise that is made with a %s is in the state %s', (type, state) => {
    const node = new MadeUpNode();
    const { ended } = node.observe({ callbacks: false });
    const promise = node.promise();
    node.resource(type);
    node.callback(node.derived(promise));
    expect(ended.map(([wait]) => wait.state)).toEqual([state]);
  });

  // crypto.subtle.digest on Node 24: HASHREQUEST 7, its promise 8, the await 9.
  it("for the promise of one of Node's own jobs counts once, also if the job was made before it", () => {
    const node = new MadeUpNode();
    const { pending, states } = node.observe();
    node.resource('HASHREQUEST');
    const awaited = node.derived(node.promise());
    expect([pending(), states()]).toEqual([[awaited], ['syscall']]);
  });

  it.each([
    ['of a socket', [code('setUnrefTimeout', 'node:internal/timers'), code('setTimeout', 'node:net')]],
    ['of fetch', [code('setTimeout', 'node:timers'), code('fetch', 'node:internal/deps/undici/undici')]],
    ['of an HTTP server', [code('utcDate', 'node:internal/http'), code('writeHead', 'node:_http_server')]],
  ])('is none at a timer %s, which Node has set', (_, frames) => {
    const node = new MadeUpNode();
    const { pending } = node.observe();
    node.stack = [...frames, code('findOne')];
    node.waits.init(1, 'Timeout', 0, {});
    expect(pending()).toEqual([]);
  });

  it('for a promise that was created after a timer is not a wait for the timer', () => {
    const node = new MadeUpNode();
    const { pending } = node.observe();
    const timer = node.resource('Timeout');
    const awaited = node.derived(node.promise());
    expect(pending()).toEqual([timer, awaited]);
  });

  it('ends without counting if its promise is settled and nobody was waiting', () => {
    const node = new MadeUpNode();
    const { ended, pending } = node.observe();
    const promise = node.derived(node.promise());
    node.waits.promiseResolve(promise);
    expect([ended, pending()]).toEqual([[], []]);
  });

  it('has the stack from the first frame that is not of Node, and the context in which it began', () => {
    const node = new MadeUpNode();
    const { ended } = node.observe();
    const user = [
      code('findOne'),
      code('dispatch', '/app/node_modules/router/index.js'),
      code('emit', 'node:events'),
    ];
    node.stack = [code('emitInitNative', 'node:internal/async_hooks'), code('once', 'node:events'), ...user];
    node.context = 'a request';
    node.callback(node.derived(node.promise()));
    const again = node.derived(node.promise());
    node.callback(again);
    expect(ended.map(([{ stack, context }]) => [stack.frames, context])).toEqual([
      [user, 'a request'],
      [user, 'a request'],
    ]);
    expect(ended[0]![0].stack).toBe(ended[1]![0].stack);
  });

  it.each([
    ['V8, which forwards a promise', [code('Promise.then', '')]],
    [
      'V8, which forwards a promise for a function that awaits it',
      [
        code('Promise.then', ''),
        code('processTicksAndRejections', 'node:internal/process/task_queues'),
        { ...code('findOne'), isAsync: true },
      ],
    ],
    [
      'V8, which forwards a promise when a timer has run',
      [
        code('Promise.then', ''),
        code('runNextTicks', 'node:internal/process/task_queues'),
        code('listOnTimeout', 'node:internal/timers'),
        code('processTimers', 'node:internal/timers'),
        { ...code('findOne'), isAsync: true },
      ],
    ],
    ['Node alone', [code('onConnection', 'node:_http_server'), code('emit', 'node:events')]],
  ])('of %s is none', (_, stack) => {
    const node = new MadeUpNode();
    const { pending } = node.observe();
    node.stack = stack;
    node.derived(node.promise());
    expect(pending()).toEqual([]);
  });

  it('has the same stack whether a timer or something else has made the execution go on', () => {
    const node = new MadeUpNode();
    const { ended } = node.observe();
    const [callee, caller] = [code('find'), { ...code('findOne'), isAsync: true }];
    const timers = ['listOnTimeout', 'processTimers'].map((name) => code(name, 'node:internal/timers'));
    for (const calling of [[], timers]) {
      node.stack = [callee, ...calling, caller];
      node.callback(node.derived(node.promise()));
    }
    expect(ended.map(([{ stack }]) => stack.frames)).toEqual([
      [callee, caller],
      [callee, caller],
    ]);
  });

  it('for what a function of Node does is that of the application, which awaits its result', () => {
    const node = new MadeUpNode();
    const { ended, pending } = node.observe();
    const findOne = (line: number): CallerFrame => ({ ...code('findOne'), line });
    const result = node.promise();
    node.stack = [code('readFile', 'node:internal/fs/promises'), findOne(3)];
    const step = node.derived(node.promise());
    node.derived(node.promise()); // another step at once
    node.stack = [findOne(4)];
    const awaited = node.derived(result);
    expect(pending()).toEqual([awaited]);
    node.ms = 5;
    node.stack = [code('readFileHandle', 'node:internal/fs/promises'), { ...findOne(4), isAsync: true }];
    let next = 0;
    node.callback(step, () => (next = node.derived(node.promise())));
    node.ms = 9;
    node.callback(next);
    node.callback(awaited);
    expect(ended.map(([{ stack }, ms]) => [stack.frames, ms])).toEqual([[[findOne(4)], 9]]);
  });

  it('for what a function of Node does covers those of the callers, until the application goes on', () => {
    const node = new MadeUpNode();
    const { ended, pending } = node.observe({ callbacks: false });
    const call = node.promise();
    const first = sleep(node);
    const caller = node.derived(call);
    first.fire();
    const read = (): { step: number; awaited: number } => {
      const result = node.promise();
      node.stack = [code('next', 'node:internal/streams/readable'), code('findOne')];
      const step = node.derived(node.promise());
      node.stack = [code('findOne')];
      return { step, awaited: node.derived(result) };
    };
    let part = { step: 0, awaited: 0 };
    node.callback(first.awaited, () => (part = read()));
    for (let i = 0; i < 3; i++) {
      node.ms += 50;
      expect(pending()).toEqual([part.awaited]);
      node.callback(part.step);
      node.callback(part.awaited, () => (part = read()));
    }
    expect(ended.map(([, ms]) => ms)).toEqual([0, 50, 50, 50]);
    expect(ended.map(([{ id }]) => id)).not.toContain(caller);
  });

  it('for what a function of Node does ends with that if the application awaits something else', () => {
    const node = new MadeUpNode();
    const { pending, ended } = node.observe();
    node.stack = [code('writeFile', 'node:internal/fs/promises'), code('findOne')];
    const step = node.derived(node.promise());
    node.stack = [code('findOne')];
    const other = node.derived(node.promise());
    expect(pending()).toEqual([step, other]);
    node.callback(step);
    expect(ended.map(([{ id }]) => id)).toEqual([step]);
  });

  it('for fetch is a wait for a socket, whatever timers it has', () => {
    const node = new MadeUpNode();
    const { states } = node.observe({ callbacks: false });
    node.stack = [code('fetch', 'node:internal/deps/undici/undici'), code('findOne')];
    const result = node.promise();
    node.resource('Timeout');
    node.derived(result);
    expect(states()).toEqual(['IO wait']);
  });

  it.each(['race', 'any', 'Promise.race'])(
    'for the first of several promises, by %s, is a select',
    (name) => {
      const node = new MadeUpNode();
      const { states } = node.observe({ callbacks: false });
      node.stack = [code('Promise.then', ''), code(name, ''), code('findOne')];
      const query = node.promise();
      node.promise();
      node.resource('Timeout');
      node.derived(query);
      expect(states()).toEqual(['select']);
    },
  );

  it('of this library does not count', () => {
    const node = new MadeUpNode();
    const { pending } = node.observe();
    const own = ownFile();
    node.stack = [code('take', own.replace(/sampling[\\/].*$/, 'profiling/capture.ts')), code('findOne')];
    node.derived(node.promise());
    expect(pending()).toEqual([]);
  });
});

describe('an observer that throws', () => {
  it('is no matter of the hook: its error is uncaught a turn later', () => {
    const node = new MadeUpNode();
    const thrown: (() => void)[] = [];
    const later = jest
      .spyOn(globalThis, 'setImmediate')
      .mockImplementation(((work: () => void) => thrown.push(work)) as never);
    node.observe({
      ended: () => {
        throw new Error('mine');
      },
    });
    node.callback(node.derived(node.promise()));
    later.mockRestore();
    expect(thrown).toHaveLength(1);
    expect(thrown[0]).toThrow('mine');
  });
});

describe('one wait in N', () => {
  it('is sampled, at gaps from 1 to 2N - 1 that chance chooses; of the others nothing is stored or looked at', () => {
    const node = new MadeUpNode();
    const gaps = [0.5, 0, 0.999, 0.5];
    node.random = () => gaps.shift()!;
    const { pending } = node.observe({ rate: 4, callbacks: false });
    const ids = Array.from({ length: 12 }, () => sleep(node).awaited);
    expect(pending()).toEqual([ids[3], ids[4], ids[11]]);
    expect(node.stacksRead).toBe(3);
  });

  it('is chosen by each observer on its own', () => {
    const node = new MadeUpNode();
    const all = node.observe({ callbacks: false });
    const none = node.observe({ rate: 1000, callbacks: false });
    node.random = () => 0.999;
    const some = node.observe({ rate: 2, callbacks: false });
    sleep(node);
    expect([all.pending().length, none.pending().length, some.pending().length]).toEqual([1, 1, 0]);
  });
});

describe('a wait that can never end', () => {
  it('is reported when its promise is collected, once', () => {
    const node = new MadeUpNode();
    const { lost, findLost, pending } = node.observe();
    const awaited = node.derived(node.promise());
    node.collect(awaited);
    findLost();
    findLost();
    expect([lost.map(({ id }) => id), pending()]).toEqual([[awaited], []]);
  });

  it.each([
    ['all at once', [1, 2, 3, 4]],
    ['the callers first', [4, 3, 2, 1]],
    ['its wait last', [3, 2, 4, 1]],
  ])('is reported once, and not for the callers that await it: %s', (_, order) => {
    const node = new MadeUpNode();
    const { lost, findLost, pending } = node.observe();
    const calls = [1, 2, 3].map(() => node.promise());
    const callee = node.derived(node.promise());
    const callers = calls.toReversed().map((call) => node.derived(call));
    node.collect(...[callee, ...callers].map((_, i, all) => all[order[i]! - 1]!));
    findLost();
    node.callback(node.resource('Immediate'));
    expect([lost.map(({ id }) => id), pending()]).toEqual([[callee], []]);
  });

  it('counts, though later, if it was covered by one that was another matter', () => {
    const node = new MadeUpNode();
    const { lost, findLost, pending } = node.observe();
    const rows = node.promise();
    const audit = node.derived(node.promise());
    const awaited = node.derived(rows);
    node.collect(awaited);
    findLost();
    expect([lost, pending()]).toEqual([[], [audit]]);
    node.callback(audit);
    node.callback(node.resource('Immediate'));
    findLost();
    expect([lost.map(({ id }) => id), pending()]).toEqual([[awaited], []]);
  });

  it('makes the caller of each execution wait separately', () => {
    const node = new MadeUpNode();
    const { lost, findLost, pending } = node.observe();
    const executions = [1, 2, 3].map(() => {
      const [call, rows] = [node.promise(), node.promise()];
      const audit = node.derived(node.promise());
      const awaited = node.derived(rows);
      node.derived(call);
      node.callback(node.resource('Immediate'));
      return { audit, awaited };
    });
    node.collect(...executions.map(({ audit }) => audit));
    findLost();
    node.callback(node.resource('Immediate'), () => node.derived(node.promise()));
    expect(lost).toHaveLength(3);
    expect(pending()).toEqual(expect.arrayContaining(executions.map(({ awaited }) => awaited)));
    expect(pending()).toHaveLength(4);
  });

  it('covers none that can', () => {
    const node = new MadeUpNode();
    const { lost, findLost, pending } = node.observe();
    const rows = node.promise();
    const audit = node.derived(node.promise());
    const awaited = node.derived(rows);
    node.collect(audit);
    findLost();
    node.callback(node.resource('Immediate'));
    expect([lost.map(({ id }) => id), pending()]).toEqual([[audit], [awaited]]);
  });

  it('is reported as lost while others are added, without a call of findLost', () => {
    const node = new MadeUpNode();
    const { lost } = node.observe({ callbacks: false });
    const ids = Array.from({ length: 100 }, () => sleep(node).awaited);
    node.collect(...ids);
    for (let i = 0; i < 100; i++) sleep(node);
    expect(lost.map(({ id }) => id).toSorted((a, b) => a - b)).toEqual(ids);
  });

  it('is not reported for a timer that was cleared', () => {
    const node = new MadeUpNode();
    const { lost, findLost, pending } = node.observe();
    const timer = node.resource('Timeout');
    node.collect(timer);
    findLost();
    expect([lost, pending()]).toEqual([[], []]);
  });

  it.each(['race', 'any', 'Promise.race'])('is none for a promise that lost in %s', (name) => {
    const node = new MadeUpNode();
    const { lost, findLost, pending } = node.observe();
    node.stack = [code('Promise.then', ''), code(name, ''), code('findOne')];
    node.collect(node.derived(node.promise()));
    findLost();
    expect([lost, pending()]).toEqual([[], []]);
  });
});
