import { describe, expect, it } from '@jest/globals';
import type { TraceEvent } from '../../format/trace-event.js';
import type { CallerFrame } from '../../sampling/call-stack.js';
import { type RequestDescription, TrackedRequest } from '../async/requests-in-flight.js';
import { TraceAnnotations } from './trace-annotations.js';
import { TraceRecorder } from './trace-recorder.js';
import { TracedRequests } from './traced-requests.js';

const code = (name: string, filename = '/app/cats.js'): CallerFrame => ({ name, filename, line: 1 });

class MadeUpRequest extends TrackedRequest {
  constructor(private readonly known: Partial<RequestDescription> = {}) {
    super();
  }

  protected describe(): RequestDescription {
    const { method = 'GET', route, handler, status } = this.known;
    return { method, route, handler, status, state: 'handling', own: false };
  }

  protected release(): void {}
}

const CATS = { route: '/cats/:id', handler: 'CatsController.findOne', status: 200 };

/** Node in small: numbers its resources, and calls the hooks as Node does. The clock moves only by {@link pass}. */
class MadeUpNode {
  stack: readonly CallerFrame[] = [code('wait'), code('work')];
  private nanos = 0;
  private readonly resources: object[] = [{}];
  private executing = 0;
  private readonly text = new Map<number, string>();
  readonly recorder: TraceRecorder;
  readonly annotations: TraceAnnotations;
  readonly requests: TracedRequests;

  constructor(limit = 1000, inFlight: readonly TrackedRequest[] = []) {
    this.recorder = new TraceRecorder(
      {
        pid: 7,
        now: () => this.nanos,
        executionAsyncId: () => this.executing,
        executionAsyncResource: () => this.resources[this.executing]!,
        stackOf: () => this.stack,
      },
      limit,
    );
    this.annotations = new TraceAnnotations(this.recorder);
    this.requests = new TracedRequests(this.recorder, inFlight);
  }

  pass(nanos: number): void {
    this.nanos += nanos;
  }

  /** What was made before the recording. */
  old(): number {
    return this.resources.push({}) - 1;
  }

  resource(type: string): number {
    return this.made(type, this.executing);
  }

  /** As `clearTimeout`. */
  clear(timer: number): void {
    Object.assign(this.resources[timer]!, { _destroyed: true });
  }

  promise(): number {
    return this.made('PROMISE', this.executing);
  }

  /** What `await` makes of a promise. */
  derived(from: number): number {
    return this.made('PROMISE', from);
  }

  resolve(promise: number): void {
    this.recorder.promiseResolve(promise);
  }

  /** `await setTimeout(ms)`: the timer, its promise, and that of the await. */
  sleep(type = 'Timeout'): { timer: number; promise: number; awaited: number } {
    const promise = this.promise();
    const timer = this.resource(type);
    return { timer, promise, awaited: this.derived(promise) };
  }

  /** Node calls back for a resource, for 10 ns. */
  callback(id: number, work: () => void = () => {}): void {
    const outer = this.executing;
    this.executing = id;
    this.recorder.before(id);
    work();
    this.pass(10);
    this.recorder.after();
    this.executing = outer;
  }

  /** The timer of a {@link sleep} fires, and what waited goes on. */
  wakeUp({ timer, promise, awaited }: ReturnType<MadeUpNode['sleep']>, work?: () => void): void {
    this.callback(timer, () => this.resolve(promise));
    this.callback(awaited, work);
  }

  /** What was recorded since the last call, one line for each event. */
  lines(): string[] {
    const events = this.recorder.buffer.take();
    const { stacks, starts } = this.recorder.buffer.takeStacks();
    for (const [fn, ids] of starts)
      for (const id of ids) this.text.set(id, typeof fn === 'string' ? fn : fn.name);
    for (const [frames, id] of stacks) this.text.set(id, frames[0]!.name);
    for (const event of events) if (event.type === 'name') this.text.set(event.id, event.text);
    return events.filter(({ type }) => type !== 'name').map((event) => this.lineOf(event));
  }

  /** Ends the recording. What came after the callback in {@link started}: events of a callback come with the next one. */
  toEnd(): string[] {
    this.stop();
    return this.lines().slice(2);
  }

  stop(): void {
    this.recorder.stop();
    this.requests.stop();
    this.annotations.stop();
  }

  private lineOf(event: TraceEvent): string {
    const textOf = (id: number): string => this.text.get(id) ?? '-';
    const about = {
      create: (it: { start: number; waits?: string }) => [textOf(it.start), ...(it.waits ? [it.waits] : [])],
      wait: (it: { cause: string; stack: number }) => [
        it.cause,
        ...(it.stack ? [`at ${textOf(it.stack)}`] : []),
      ],
      task: (it: { name: number }) => [textOf(it.name)],
      region: (it: { name: string }) => [it.name],
      log: (it: { key: string; value: string }) => [`${it.key}=${it.value}`],
    } as Record<string, (it: never) => string[]>;
    const { type, time, goroutine } = event as { type: string; time: number; goroutine: number };
    return [time, type, goroutine, ...(about[type]?.(event as never) ?? [])].join(' ');
  }

  private made(type: string, trigger: number): number {
    const resource = {};
    const id = this.resources.push(resource) - 1;
    this.recorder.init(id, type, trigger, resource);
    return id;
  }
}

/** One that records already. */
function started(): MadeUpNode {
  const node = new MadeUpNode();
  node.callback(node.old());
  node.lines();
  return node;
}

/** A request that begins in a callback of its connection's parser, and sleeps. */
function requested(node: MadeUpNode, known: Partial<RequestDescription> = CATS) {
  const parser = node.old();
  const request = new MadeUpRequest(known);
  let sleep!: ReturnType<MadeUpNode['sleep']>;
  node.callback(parser, () => {
    node.pass(1);
    node.requests.begin(request);
    node.pass(1);
    sleep = node.sleep();
  });
  const end = (): void => {
    request.end(true);
    node.requests.end(request);
  };
  return { parser, request, sleep, end };
}

describe('a trace', () => {
  it('begins with the main thread, on which what belongs to no execution runs', () => {
    const node = new MadeUpNode();
    expect(node.recorder.buffer.take()[0]).toEqual({
      type: 'thread',
      time: 0,
      thread: 0,
      id: 7,
      name: 'main',
    });
    expect(new MadeUpNode().lines().slice(1)).toEqual(['0 create 1 (event loop)', '0 run 1']);
  });

  it('has nothing more after its end', () => {
    const node = started();
    node.toEnd();
    node.callback(node.old(), () => node.sleep());
    node.annotations.log('key', 'value');
    expect(node.lines()).toEqual([]);
  });

  it('ends when it has as many events as are kept, and is full also when they are taken', () => {
    const node = new MadeUpNode(4);
    expect([node.recorder.buffer.isFull, node.lines().length]).toEqual([false, 3]);
    for (let i = 0; i < 3; i++) node.callback(node.old(), () => node.sleep());
    expect([node.recorder.buffer.isFull, node.lines().length]).toEqual([true, 4]);
    node.callback(node.old(), () => node.sleep());
    expect([node.recorder.buffer.isFull, node.lines()]).toEqual([true, []]);
  });
});

describe('a callback', () => {
  it('in which nothing is awaited belongs to the event loop', () => {
    const node = started();
    node.pass(5);
    node.callback(node.old(), () => {
      node.resource('TickObject');
      node.promise();
    });
    expect(node.toEnd()).toEqual(['15 run 1', '25 wait 1 network']);
  });

  it('in which the application awaits begins an execution at its own begin, named by the outermost function', () => {
    const node = started();
    node.pass(5);
    node.callback(node.old(), () => {
      node.pass(3);
      node.sleep();
    });
    expect(node.toEnd()).toEqual(['15 create 2 work', '15 run 2', '28 wait 2 timer at wait']);
  });

  it('in which Node itself or this library awaits belongs to the event loop', () => {
    for (const file of ['node:net', new URL('trace-recorder.js', import.meta.url).pathname]) {
      const node = started();
      node.stack = [code('own', file)];
      node.callback(node.old(), () => node.sleep());
      expect(node.toEnd()).toEqual(['10 run 1', '20 wait 1 network']);
    }
  });

  it('of what an execution made belongs to it, which ends with the last one', () => {
    const node = started();
    let first!: ReturnType<MadeUpNode['sleep']>;
    let second!: ReturnType<MadeUpNode['sleep']>;
    node.callback(node.old(), () => (first = node.sleep()));
    node.pass(30);
    node.wakeUp(first, () => (second = node.sleep()));
    node.pass(30);
    node.wakeUp(second);
    expect(node.toEnd()).toEqual([
      '10 create 2 work',
      '10 run 2',
      '20 wait 2 timer at wait',
      '50 run 2',
      '70 wait 2 timer at wait',
      '100 run 2',
      '120 end 2',
    ]);
  });

  it('has not begun yet when Node makes a resource by itself', () => {
    const node = started();
    node.pass(5);
    node.resource('Immediate');
    node.pass(100);
    node.callback(node.old());
    expect(node.toEnd()).toEqual([
      '15 create 2 work',
      '15 run 2',
      '15 wait 2 yield at wait',
      '115 run 1',
      '125 wait 1 network',
    ]);
  });

  it('of an execution that has ended begins another one', () => {
    const node = started();
    const { sleep, end } = requested(node);
    node.callback(node.old(), end);
    node.pass(20);
    node.wakeUp(sleep, () => node.sleep());
    expect(node.toEnd().slice(-3)).toEqual(['62 create 3 work', '62 run 3', '72 wait 3 timer at wait']);
  });

  it('within another one runs in its place', () => {
    const node = started();
    node.callback(node.old(), () => {
      node.sleep();
      node.pass(1);
      node.callback(node.old(), () => node.sleep());
      node.pass(1);
    });
    expect(node.toEnd()).toEqual([
      '10 create 2 work',
      '10 run 2',
      '11 create 3 work',
      '11 run 3',
      '21 wait 3 timer at wait',
      '21 run 2',
      '32 wait 2 timer at wait',
    ]);
  });

  it('in which nothing was awaited before another one ran within it belongs to the event loop', () => {
    const node = started();
    node.callback(node.old(), () => node.callback(node.old(), () => node.sleep()));
    expect(node.toEnd()).toEqual([
      '10 run 1',
      '10 create 2 work',
      '10 run 2',
      '20 wait 2 timer at wait',
      '20 run 1',
      '30 wait 1 network',
    ]);
  });
});

describe('an execution', () => {
  it.each([
    ['Timeout', 'timer'],
    ['Immediate', 'yield'],
    ['FSREQCALLBACK', 'syscall'],
    ['TCPCONNECTWRAP', 'network'],
  ])('that awaits a promise beside a %s waits with the cause %s', (type, cause) => {
    const node = started();
    node.callback(node.old(), () => node.sleep(type));
    expect(node.toEnd().at(-1)).toBe(`20 wait 2 ${cause} at wait`);
  });

  it.each([
    ['Timeout', 'timer'],
    ['FSREQCALLBACK', 'syscall'],
    ['GETADDRINFOREQWRAP', 'network'],
  ])('that waits for the callback of a %s does so with the cause %s', (type, cause) => {
    const node = started();
    node.callback(node.old(), () => node.resource(type));
    expect(node.toEnd().at(-1)).toBe(`20 wait 2 ${cause} at wait`);
  });

  it('that awaits a promise of which no more is known waits with the cause promise, and is woken by who resolves it', () => {
    const node = started();
    let promise = 0;
    let awaited = 0;
    node.callback(node.old(), () => {
      promise = node.promise();
      awaited = node.derived(promise);
    });
    node.pass(20);
    node.callback(node.old(), () => {
      node.sleep();
      node.pass(5);
      node.resolve(promise);
    });
    node.callback(awaited);
    expect(node.toEnd()).toEqual([
      '10 create 2 work',
      '10 run 2',
      '20 wait 2 promise at wait',
      '40 create 3 work',
      '40 run 3',
      '45 wake 2',
      '55 wait 3 timer at wait',
      '55 run 2',
      '65 end 2',
    ]);
  });

  it('is not woken by itself: what it awaits it may resolve', () => {
    const node = started();
    const { sleep } = requested(node);
    node.callback(sleep.timer, () => node.resolve(sleep.promise));
    expect(node.toEnd().filter((line) => line.includes('wake'))).toEqual([]);
  });

  it('waits for an async function that returns a pending promise, where that was called', () => {
    const node = started();
    let result = 0;
    node.callback(node.old(), () => {
      result = node.promise();
      node.promise(); // that it returns
      node.derived(result);
    });
    node.callback(result); // V8 forwards it
    expect(node.toEnd().at(-1)).toBe('30 wait 2 promise at wait');
  });

  it('does not wait for a timer that was cleared, and ends with its last callback', () => {
    const node = started();
    let sleep!: ReturnType<MadeUpNode['sleep']>;
    node.callback(node.old(), () => {
      node.clear(node.resource('Timeout'));
      sleep = node.sleep();
    });
    node.wakeUp(sleep);
    expect(node.toEnd().at(-1)).toBe('40 end 2');
  });

  it('waits for what it awaits, also if V8 then forwards a promise to it', () => {
    const node = started();
    let job = 0;
    node.callback(node.old(), () => {
      node.sleep();
      job = node.resource('TickObject');
    });
    node.callback(job, () => {
      node.stack = [{ ...code('caller'), isAsync: true }];
      node.derived(node.promise());
    });
    expect(node.toEnd().at(-1)).toBe('30 wait 2 timer at wait');
  });

  it('goes on without a wait in the microtasks of its callback', () => {
    const node = started();
    let tick = 0;
    node.callback(node.old(), () => {
      node.sleep();
      tick = node.resource('TickObject');
    });
    node.pass(7);
    node.callback(tick);
    node.pass(7);
    expect(node.toEnd()).toEqual(['10 create 2 work', '10 run 2', '37 wait 2 timer at wait']);
  });
});

describe('a request', () => {
  it('begins in a callback of the parser, whose other callbacks do not end its waits, and ends with its status', () => {
    const node = started();
    const { parser, sleep, end } = requested(node);
    node.pass(20);
    node.callback(parser);
    node.pass(20);
    node.wakeUp(sleep, end);
    node.pass(20);
    node.callback(parser);
    expect(node.toEnd()).toEqual([
      '10 run 1',
      '11 create 2 CatsController.findOne',
      '11 wait 1 network',
      '11 run 2',
      '11 task 2 GET /cats/:id',
      '22 wait 2 timer at wait',
      '72 run 2',
      '82 log 2 route=/cats/:id',
      '82 log 2 status=200',
      '82 task-end 2',
      '82 end 2',
      '82 run 1',
      '92 wait 1 network',
      '112 run 1', // the parser is nobody's again
      '122 wait 1 network',
    ]);
  });

  it('goes on without a wait if callbacks of the parser come before its ticks', () => {
    const node = started();
    const parser = node.old();
    let tick = 0;
    node.callback(parser, () => {
      node.requests.begin(new MadeUpRequest(CATS));
      tick = node.resource('TickObject');
    });
    node.callback(parser);
    node.callback(tick);
    expect(node.toEnd().slice(-2)).toEqual(['10 task 2 GET /cats/:id', '40 wait 2 network']);
  });

  it('goes on in a callback of the parser in which it awaits something else, such as the end of its body', () => {
    const node = started();
    const { parser } = requested(node);
    node.pass(20);
    node.callback(parser, () => {
      node.pass(3);
      node.sleep('FSREQCALLBACK');
    });
    expect(node.toEnd().slice(-3)).toEqual([
      '22 wait 2 timer at wait',
      '42 run 2',
      '55 wait 2 syscall at wait',
    ]);
  });

  it('that began before waits for the network, and may end in the callback of another', () => {
    const request = new MadeUpRequest(CATS);
    const node = new MadeUpNode(1000, [request]);
    node.pass(5);
    node.callback(node.old(), () => {
      request.end(true);
      node.requests.end(request);
    });
    node.stop();
    expect(node.lines().slice(2)).toEqual([
      '0 run 1',
      '0 create 2 CatsController.findOne network',
      '0 task 2 GET /cats/:id',
      '5 wait 1 network',
      '5 run 1',
      '5 run 2',
      '5 log 2 route=/cats/:id',
      '5 log 2 status=200',
      '5 task-end 2',
      '5 end 2',
      '5 run 1',
      '15 wait 1 network',
    ]);
  });

  it('that hangs has its name at the end of the trace, and no end', () => {
    const node = started();
    requested(node, {});
    expect(node.toEnd().slice(1)).toEqual([
      '11 create 2 GET (no route)',
      '11 wait 1 network',
      '11 run 2',
      '11 task 2 GET (no route)',
      '22 wait 2 timer at wait',
    ]);
  });

  it('that the trace does not know ends without a word', () => {
    const node = started();
    node.requests.end(new MadeUpRequest());
    expect(node.toEnd()).toEqual([]);
  });
});

describe('an annotation', () => {
  it('makes an execution of the callback that it is in', () => {
    const node = started();
    node.callback(node.old(), () => {
      node.pass(1);
      node.annotations.startRegion('region').end();
      node.annotations.log('key', 'value');
    });
    expect(node.toEnd()).toEqual([
      '10 create 2 work',
      '10 run 2',
      '11 region 2 region',
      '11 region-end 2',
      '11 log 2 key=value',
      '21 end 2',
    ]);
  });

  it('outside of callbacks starts a new execution', () => {
    const node = started();
    node.pass(4);
    node.annotations.log('key', 'value');
    expect(node.toEnd()).toEqual(['14 create 2 work', '14 run 2', '14 log 2 key=value', '14 end 2']);
  });

  it('of a region concurrent to another one gets its own execution, and each region ends once', () => {
    const node = started();
    const ends: (() => void)[] = [];
    const { annotations } = node;
    node.callback(node.old(), () => {
      for (const name of ['left', 'right']) annotations.inRegion(name, (end) => ends.push(end));
      node.pass(1);
    });
    node.callback(node.old(), () => [...ends, ...ends].forEach((end) => end()));
    expect(node.toEnd()).toEqual([
      '10 create 2 work',
      '10 run 2',
      '10 region 2 left',
      '10 create 3 right',
      '10 run 3',
      '10 region 3 right',
      '10 wait 3 network',
      '10 run 2',
      '21 wait 2 network',
      '21 run 1',
      '21 region-end 2',
      '21 end 2',
      '21 region-end 3',
      '21 end 3',
      '31 wait 1 network',
    ]);
  });

  it('that is a region within another one is in the same execution', () => {
    const node = started();
    node.callback(node.old(), () =>
      node.annotations.inRegion('outer', (endOuter) => {
        node.annotations.inRegion('inner', (end) => end());
        endOuter();
      }),
    );
    expect(node.toEnd().slice(2, 6)).toEqual([
      '10 region 2 outer',
      '10 region 2 inner',
      '10 region-end 2',
      '10 region-end 2',
    ]);
  });

  it('that is a task has what it runs, and ends once', () => {
    const node = started();
    const { annotations, recorder } = node;
    node.callback(node.old(), () => {
      const task = annotations.newTask('import');
      task.run(() => {
        annotations.log('in', 'task');
        annotations.newTask('below').end();
      });
      annotations.log('in', 'none');
      task.end();
      task.end();
    });
    const events = recorder.buffer.take();
    const ofTasks = events.flatMap((event) => ('task' in event ? [{ ...event }] : []));
    const task = ofTasks[0]!.task;
    expect(ofTasks).toMatchObject([
      { type: 'task', parent: 0 },
      { type: 'log', value: 'task', task },
      { type: 'task', parent: task },
      { type: 'task-end' },
      { type: 'log', value: 'none', task: 0 },
      { type: 'task-end', task },
    ]);
    node.stop();
  });
});
