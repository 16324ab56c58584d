import { AsyncLocalStorage } from 'node:async_hooks';
import type { TraceEvent, WaitCause } from '../../format/trace-event.js';
import type { ActiveTrace, OpenRegion, OpenTask } from '../../sampling/active-trace.js';
import type { CallerFrame } from '../../sampling/call-stack.js';
import { isOwn, type Origin, StackOrigins, stateOf } from '../../sampling/stack-origin.js';
import type { CallStack } from '../../sampling/wait-sample.js';
import { PROMISE_STATE, RESOURCE_KINDS, type WaitState } from '../../sampling/wait-states.js';
import type { RequestInFlight, TrackedRequest } from '../async/requests-in-flight.js';
import { type Awaited, Execution, type ExecutionTag, OUTSIDE, tag, tagOf, UNDECIDED } from './execution.js';

/** The world around the recorder, which tests replace. */
export interface TraceWorld {
  /** Of the process. */
  readonly pid: number;
  /** In ns, whole. */
  now(): number;
  executionAsyncId(): number;
  executionAsyncResource(): object;
  /** The stack that has led to a hook; the same list for the same stack, if possible. */
  stackOf(hook: (...args: never[]) => unknown): readonly CallerFrame[];
}

/** The main thread. */
export const MAIN = 0;

/** Types of what is called back before the event loop goes on. */
const TICKS = new Set(['TickObject', 'Microtask']);

const CAUSES: Readonly<Record<WaitState, WaitCause>> = {
  'IO wait': 'network',
  sleep: 'timer',
  syscall: 'syscall',
  'chan receive': 'promise',
  select: 'select',
};

/** What is current in all that a region or a task contains. */
interface Scope {
  readonly region: number | undefined;
  readonly execution: Execution;
  readonly task: number;
}

/** An execution of a request, and the ids of what is known of it only later. */
interface TracedRequest {
  readonly execution: Execution;
  readonly name: number;
  readonly start: number;
}

interface OfGoroutine {
  readonly time: number;
  readonly thread: number;
  readonly goroutine: number;
}

/** Where goroutines begin: a name, or the outermost frame of a stack. */
export type StartFunction = string | CallerFrame;

/**
 * Makes an execution trace of the events of `async_hooks`. A callback belongs to the execution that its resource was made
 * in. A callback of what lives on, such as a socket, begins an execution of its own if the application waits for
 * anything in it; otherwise it belongs to {@link OUTSIDE}. What an execution waits for is told by the rule of `AsyncWaits`: by
 * its innermost `await`, or the resource that was made for a callback.
 */
export class TraceRecorder implements ActiveTrace {
  /** There were more events than it keeps, so it has ended. */
  isFull = false;
  /** The ids of stacks that are to have a start function as their only frame. */
  readonly starts = new Map<StartFunction, number[]>();
  /** The ids of stacks that waits began at. */
  readonly stacks = new Map<CallStack, number>();
  private readonly identity = {};
  private isStopped = false;
  private events: TraceEvent[] = [];
  private readonly origins = new StackOrigins();
  /** What stacks begin at; null for those without code of the application. */
  private readonly startFunctions = new WeakMap<CallStack, CallerFrame | null>();
  private readonly scope = new AsyncLocalStorage<Scope>();
  private readonly requests = new Map<TrackedRequest, TracedRequest>();
  /** Executions by the promises that they wait for. */
  private readonly waiting = new Map<number, Execution>();
  private writer: Execution | undefined;
  private lastGoroutine = OUTSIDE;
  /** Of stacks, names, tasks and regions. */
  private lastId = 0;

  /** What runs, or ran last. */
  private current = new Execution(this.identity, OUTSIDE, true);
  /** When the last callback ended; undefined while one runs. */
  private idleSince: number | undefined;
  /** Callbacks run inside others. */
  private readonly callers: Execution[] = [];
  private depth = 0;

  /** As in `AsyncWaits`, since the present callback began. */
  private made = 0;
  private madeBefore = 0;
  private derived = 0;
  private hasAwaited = false;
  private resource = 0;
  private resourceCause: WaitCause = 'promise';
  private resourceStack: CallStack | undefined;
  private resolved = 0;

  /** @param limit of events that are kept until they are taken; past it, recording ends */
  constructor(
    private readonly world: TraceWorld,
    private readonly limit: number,
  ) {
    const time = world.now();
    this.emit({ type: 'thread', time, thread: MAIN, id: world.pid, name: 'main' });
    this.emit({ type: 'create', time, thread: MAIN, goroutine: OUTSIDE, start: this.start('(event loop)') });
    this.emit({ type: 'run', time, thread: MAIN, goroutine: OUTSIDE });
  }

  readonly init = (id: number, type: string, trigger: number, resource: object): void => {
    this.made = id;
    const execution = this.running();
    if (type === 'PROMISE') {
      if (trigger === this.world.executionAsyncId()) return tag(resource, execution.tags.promise); // not derived
      tag(resource, execution.tags.await);
      execution.pending++;
      return this.derive(execution, id, trigger);
    }
    const kind = RESOURCE_KINDS.get(type);
    if (!kind && type !== 'Immediate')
      return tag(resource, TICKS.has(type) ? execution.tags.tick : execution.tags.other);
    this.resource = id;
    this.resourceCause = kind ? CAUSES[kind.state] : 'yield';
    this.resourceStack = undefined;
    if (kind?.isOneShot === false) return; // its callbacks may be for anybody
    const origin = this.origin();
    if (origin.isFetch) this.resourceCause = 'network';
    if (!origin.isUser || (type === 'Timeout' && !origin.setsTimer)) {
      this.resource = 0; // of Node's own
      return tag(resource, execution.tags.other);
    }
    tag(resource, execution.tags.callback);
    execution.pending++;
    this.decide(execution, origin);
    this.resourceStack = origin.stack;
    if (!this.hasAwaited) execution.waits.set(id, { cause: this.resourceCause, stack: origin.stack });
  };

  readonly before = (id: number): void => {
    const time = this.world.now();
    this.madeBefore = this.made;
    this.derived = 0;
    this.hasAwaited = false;
    this.resource = 0;
    const tagged = tagOf(this.world.executionAsyncResource());
    const execution = this.executionOf(tagged);
    if (execution.waits.size > 0) execution.waits.delete(id);
    execution.isReady = false;
    if (this.depth++ > 0) {
      this.callers.push(this.outsideIfUndecided());
      if (execution !== this.current) this.begin(execution, time);
      return;
    }
    const goesOn = execution === this.current && tagged!.isDrained;
    if (!goesOn) {
      this.close(this.idleSince ?? time);
      this.begin(execution, time);
    }
    this.idleSince = undefined;
  };

  readonly after = (): void => {
    const time = this.world.now();
    if (this.depth <= 1) {
      this.depth = 0;
      this.idleSince ??= time; // of a callback that began before the trace
      return;
    }
    this.depth--;
    const outer = this.callers.pop()!;
    if (outer === this.current) return;
    this.close(time);
    this.begin(outer.hasEnded ? new Execution(this.identity) : outer, time);
  };

  readonly promiseResolve = (id: number): void => {
    this.resolved = id;
    const waiting = this.waiting.get(id);
    if (!waiting) return;
    this.waiting.delete(id);
    waiting.waits.delete(id);
    waiting.isReady = true;
    if (waiting === this.running() || !waiting.isAsleep) return;
    waiting.isAsleep = false;
    this.outsideIfUndecided();
    this.emit({ type: 'wake', ...this.at(waiting) });
  };

  /** A socket is written to: what the application awaits then comes from there. */
  readonly written = (): void => {
    this.resource = this.made + 0.5; // after the last resource, and before the next one
    this.resourceCause = 'network';
    this.resourceStack = undefined;
  };

  /** The events since they were taken last. */
  take(): TraceEvent[] {
    const { events } = this;
    this.events = [];
    return events;
  }

  /** What executes from here on is for an execution of that name, with a task of its own, that writes the trace. */
  enterWriter(name: string): void {
    this.running();
    const task = ++this.lastId;
    const writer = this.create(name, true, task);
    this.switchTo(writer);
    this.beginTask(writer, { task, parent: 0, name });
    this.writer = writer;
  }

  /** @param isNew it begins in the callback that runs; otherwise it did so before the trace */
  beginRequest(request: TrackedRequest, isNew: boolean): void {
    const task = ++this.lastId;
    const execution = new Execution(this.identity, ++this.lastGoroutine, true, task);
    const traced = { execution, name: ++this.lastId, start: ++this.lastId };
    this.requests.set(request, traced);
    if (isNew) {
      this.running();
      this.outsideIfUndecided();
    }
    const of = this.at(execution);
    this.emit({ type: 'create', ...of, start: traced.start, ...(!isNew && { waits: 'network' }) });
    if (isNew) {
      this.switchTo(execution);
      tag(this.world.executionAsyncResource(), execution.tags.other); // the parser, whose other callbacks are the request's too
    }
    this.emit({ type: 'task', ...of, task, parent: 0, name: traced.name });
  }

  endRequest(request: TrackedRequest): void {
    const traced = this.requests.get(request);
    if (!traced) return;
    const { execution } = traced;
    const caller = this.running();
    const of = this.at(execution);
    if (caller !== execution) {
      this.outsideIfUndecided();
      this.emit({ type: 'run', ...of });
    }
    this.describe(request, traced);
    this.emit({ type: 'task-end', ...of, task: execution.task });
    this.emit({ type: 'end', ...of });
    this.requests.delete(request);
    this.end(execution);
    if (caller === execution) this.begin(new Execution(this.identity), of.time);
    else this.emit({ ...of, type: 'run', goroutine: caller.goroutine });
  }

  startRegion(name: string): OpenRegion {
    const execution = this.decided();
    const region = this.openRegion(execution, name);
    return { end: once(() => this.closeRegion(execution, region)) };
  }

  /** If a region is open that does not contain this one, they are parallel: then this is an execution of its own. */
  inRegion<T>(name: string, work: (end: () => void) => T): T {
    const caller = this.decided();
    const outer = this.scope.getStore();
    if (caller.scopes.at(-1) === (outer?.execution === caller ? outer.region : undefined))
      return this.inScope(caller, name, work);
    const own = this.create(name, false, this.task(caller));
    this.begin(own, this.world.now());
    try {
      return this.inScope(own, name, work);
    } finally {
      if (this.current === own) this.switchTo(caller);
    }
  }

  newTask(name: string): OpenTask {
    const execution = this.decided();
    const task = ++this.lastId;
    this.beginTask(execution, { task, parent: this.task(execution), name });
    const { region } = this.scope.getStore() ?? {};
    return {
      run: (work) => this.scope.run({ region, execution, task }, work),
      end: once(() => this.emit({ type: 'task-end', ...this.at(this.decided()), task })),
    };
  }

  log(key: string, value: string): void {
    const execution = this.decided();
    this.emit({ type: 'log', ...this.at(execution), task: this.task(execution), key, value });
  }

  /** Ends the recording. Requests that are in flight have their names then, and no end. */
  stop(): void {
    const { writer } = this;
    this.close(this.idleSince ?? this.world.now());
    if (writer && this.isFull)
      this.events.push({ type: 'log', ...this.at(writer), task: writer.task, key: 'comment', value: EARLY });
    this.isStopped = true;
    for (const [request, traced] of this.requests) this.nameRequest(request, traced);
    this.requests.clear();
    this.scope.disable();
  }

  private derive(execution: Execution, id: number, trigger: number): void {
    const isOld = trigger <= this.madeBefore;
    const isInnermost = isOld || this.derived < trigger;
    this.derived = id;
    if (!isInnermost) return;
    const isOfJob = this.resource === trigger - 1 && this.resourceCause === 'syscall'; // which makes its promise itself
    const isOfResource = !isOld && (this.resource > trigger || isOfJob);
    if (isOfResource && this.resourceStack) {
      this.hasAwaited = true;
      this.await(execution, trigger, { cause: this.resourceCause, stack: this.resourceStack });
      return;
    }
    if (trigger === this.resolved && execution.goroutine !== UNDECIDED) return; // it goes on at once
    const origin = this.origin();
    if (!origin.isUser) return;
    this.hasAwaited = true;
    this.decide(execution, origin);
    const cause = isOfResource ? this.resourceCause : CAUSES[stateOf(origin, PROMISE_STATE)];
    this.await(execution, trigger, { cause, stack: origin.stack });
  }

  private await(execution: Execution, promise: number, awaited: Awaited): void {
    execution.waits.delete(promise); // the last one counts
    execution.waits.set(promise, awaited);
    this.waiting.set(promise, execution);
  }

  private end(execution: Execution): void {
    execution.hasEnded = true;
    for (const id of execution.waits.keys()) this.waiting.delete(id);
    execution.waits.clear();
  }

  /** An id of a stack that no other one has. */
  newId(): number {
    return ++this.lastId;
  }

  private origin(callee: (...args: never[]) => unknown = this.init): Origin {
    return this.origins.of(this.world.stackOf(callee));
  }

  private executionOf(tagged: ExecutionTag | undefined): Execution {
    const execution = tagged?.execution;
    if (execution?.trace !== this.identity || execution.hasEnded) return new Execution(this.identity);
    if (tagged!.isCounted && execution.pending > 0) execution.pending--;
    return execution;
  }

  /** What runs now. Code outside of callbacks begins an execution. */
  private running(): Execution {
    if (this.idleSince !== undefined) {
      this.close(this.idleSince);
      this.begin(new Execution(this.identity), this.world.now());
      this.idleSince = undefined;
    }
    return this.current;
  }

  /** What runs now, as an execution of its own if possible. */
  private decided(): Execution {
    const execution = this.running();
    if (execution.goroutine === UNDECIDED) this.decide(execution, this.origin(this.decided));
    return this.outsideIfUndecided();
  }

  /** It is one of its own if the application's code is on the stack: it begins at the outermost frame of that. */
  private decide(execution: Execution, { stack }: Origin): void {
    if (execution.goroutine !== UNDECIDED) return;
    const fn = this.startFunction(stack);
    if (!fn) return;
    execution.goroutine = ++this.lastGoroutine;
    const { begin: time, goroutine } = execution;
    const start = this.start(fn);
    this.emit({ type: 'create', time, thread: MAIN, goroutine, start });
    this.emit({ type: 'run', time, thread: MAIN, goroutine });
  }

  private outsideIfUndecided(): Execution {
    const { current } = this;
    if (current.goroutine === UNDECIDED) {
      current.goroutine = OUTSIDE;
      this.run(current);
    }
    return current;
  }

  private create(name: string, isKept: boolean, task = 0): Execution {
    const execution = new Execution(this.identity, ++this.lastGoroutine, isKept, task);
    this.emit({ type: 'create', ...this.at(execution), start: this.start(name) });
    return execution;
  }

  private switchTo(execution: Execution): void {
    const time = this.world.now();
    this.close(time);
    this.begin(execution, time);
  }

  private begin(execution: Execution, time: number): void {
    this.current = execution;
    execution.begin = time;
    if (execution.goroutine === OUTSIDE) execution.goroutine = UNDECIDED;
    if (execution.goroutine !== UNDECIDED) this.run(execution);
  }

  private run(execution: Execution): void {
    const { goroutine, begin: time } = execution;
    execution.isAsleep = false;
    this.emit({ type: 'run', time, thread: MAIN, goroutine });
  }

  /** What has run waits from now on, or has ended. */
  private close(time: number): void {
    const execution = this.outsideIfUndecided();
    const { goroutine } = execution;
    const of = { time, thread: MAIN, goroutine };
    if (goroutine !== OUTSIDE && execution.isOver) {
      this.end(execution);
      return this.emit({ type: 'end', ...of });
    }
    const { cause, stack } = execution.next;
    execution.isAsleep = cause !== 'yield';
    this.emit({ type: 'wait', ...of, cause, stack: stack ? this.stackId(stack) : 0 });
  }

  private beginTask(
    execution: Execution,
    { name: text, ...of }: { task: number; parent: number; name: string },
  ): void {
    const name = ++this.lastId;
    this.emit({ type: 'name', id: name, text });
    this.emit({ type: 'task', ...this.at(execution), ...of, name });
  }

  private inScope<T>(execution: Execution, name: string, work: (end: () => void) => T): T {
    const region = this.openRegion(execution, name);
    const task = this.task(execution);
    execution.scopes.push(region);
    const end = once(() => {
      execution.scopes.splice(execution.scopes.indexOf(region), 1);
      this.closeRegion(execution, region);
    });
    return this.scope.run({ region, execution, task }, () => work(end));
  }

  private openRegion(execution: Execution, name: string): number {
    const region = ++this.lastId;
    this.emit({ type: 'region', ...this.at(execution), region, task: this.task(execution), name });
    return region;
  }

  private closeRegion(execution: Execution, region: number): void {
    this.running();
    this.outsideIfUndecided();
    this.emit({ type: 'region-end', ...this.at(execution), region });
  }

  private task(execution: Execution): number {
    return this.scope.getStore()?.task ?? execution.task;
  }

  private describe(request: TrackedRequest, traced: TracedRequest): void {
    const { route, status } = this.nameRequest(request, traced);
    const { execution } = traced;
    const of = { ...this.at(execution), task: execution.task };
    if (route !== undefined) this.emit({ type: 'log', ...of, key: 'route', value: route });
    if (status !== undefined) this.emit({ type: 'log', ...of, key: 'status', value: String(status) });
  }

  private nameRequest(request: TrackedRequest, { name, start }: TracedRequest): RequestInFlight {
    const snapshot = request.snapshot();
    const { method, route, handler } = snapshot;
    const text = `${method} ${route ?? '(no route)'}`;
    this.events.push({ type: 'name', id: name, text });
    this.startAt(handler ?? text, start);
    return snapshot;
  }

  private startFunction(stack: CallStack): CallerFrame | undefined {
    let fn = this.startFunctions.get(stack);
    if (fn === undefined)
      this.startFunctions.set(stack, (fn = stack.frames.findLast(isOfApplication) ?? null));
    return fn ?? undefined;
  }

  private start(fn: StartFunction): number {
    const id = ++this.lastId;
    this.startAt(fn, id);
    return id;
  }

  private startAt(fn: StartFunction, id: number): void {
    const ids = this.starts.get(fn);
    if (ids) ids.push(id);
    else this.starts.set(fn, [id]);
  }

  private stackId(stack: CallStack): number {
    const known = this.stacks.get(stack);
    if (known !== undefined || this.stacks.size >= MOST_STACKS) return known ?? 0;
    const id = ++this.lastId;
    this.stacks.set(stack, id);
    return id;
  }

  private at({ goroutine }: Execution): OfGoroutine {
    return { time: this.world.now(), thread: MAIN, goroutine };
  }

  private emit(event: TraceEvent): void {
    if (this.isFull || this.isStopped) return;
    this.events.push(event);
    this.isFull = this.events.length >= this.limit;
  }
}

/** What a trace says of itself if it is full. */
const EARLY = 'the trace ended early: there were more events than could be written meanwhile';

/** Waits that begin at others have no stack. */
const MOST_STACKS = 50_000;

function isOfApplication({ filename }: CallerFrame): boolean {
  return (
    filename !== '' &&
    !filename.startsWith('node:') &&
    !filename.startsWith('wasm:') &&
    !/[\\/]node_modules[\\/]/.test(filename) &&
    !isOwn(filename)
  );
}

function once(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    work();
  };
}
