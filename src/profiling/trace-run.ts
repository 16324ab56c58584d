import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { HELD_FOR } from '../format/trace/time-order.js';
import type { CutEvent, TraceEvent, TraceFrame, TraceStack, TraceWriter } from '../format/trace/events.js';
import { nowMicros } from '../sampling/cpu-readings.js';
import { nativeThreads, ownThreadId } from '../sampling/native-threads.js';
import type { RawFrame } from '../sampling/sampler.js';
import { Collections } from '../sampling/trace-collections.js';
import {
  Context,
  type Execution,
  ExecutionRecorder,
  type ExecutionSink,
  type Region,
  type WaitedFor,
} from '../sampling/trace-executions.js';
import { TraceSamples } from '../sampling/trace-samples.js';
import { workerBirths } from '../sampling/worker-births.js';
import type { FrameworkRegions, RegionTeller } from './framework-regions.js';
import { HoldMeter } from './hold-meter.js';
import type { PlaceResolver } from './place-resolver.js';
import type { RequestsInFlight, RequestUnderWay } from './requests-in-flight.js';
import { runSliced } from './slices.js';
import { TracePlaces } from './trace-places.js';
import { type RegionSink, TracedRegion } from './traced-region.js';

/** Events that wait to be written; at more the trace ends. */
const MOST_EVENTS = 200_000;
/** Between two writings, in ms. */
const EVERY_MS = 100;
/** Between two readings of CPU samples, in writings. */
const SAMPLES_EVERY = 10;
/** Events between two looks at the clock. */
const PIECE = 200;

const TOO_MANY = `more than ${MOST_EVENTS} events were waiting to be written, since the reader was too slow: the trace ends here`;

/** What a trace is made of. */
export interface TraceSources {
  readonly places: PlaceResolver;
  /** Where functions are that executions start in. */
  readonly starts: Map<string, TraceFrame>;
  readonly requests: RequestsInFlight;
  readonly regions: FrameworkRegions;
}

/** Makes the writer of a format. */
export type MakeWriter = (mainThread: number, take: (piece: Uint8Array) => void) => TraceWriter;

/** One execution trace under way: gathers what its sources tell, and writes it in pieces while it goes on. */
export class TraceRun implements ExecutionSink, RegionSink, RegionTeller {
  readonly holds = new HoldMeter();
  bytes = 0;
  private readonly places: TracePlaces;
  private readonly writer: TraceWriter;
  private readonly recorder = new ExecutionRecorder(this);
  private readonly thread = threadId();
  private readonly own: Execution;
  private readonly requests = new Map<RequestUnderWay, { readonly execution: Execution; task: number }>();
  private readonly sources: (() => void)[] = [];
  private readonly startsOf = new Map<Execution['start'], TraceStack>();
  private readonly samples: TraceSamples | undefined;
  private readonly microsAtBegin: number;
  private events: TraceEvent[] = [];
  private begun: { readonly event: { start?: TraceFrame | undefined }; readonly stack: TraceStack }[] = [];
  private pieces: Uint8Array[] = [];
  private lastTask = 0;
  private lastRegion = 0;
  private isFull = false;
  private endedAt: number | undefined;
  private failure: Error | undefined;
  private readonly stopping = new AbortController();
  /** Nothing is told any more: it was stopped, has become too large, or nobody reads it. */
  readonly over = new AbortController();
  /** All is handed to the stream, as far as that takes it; it never rejects. */
  readonly written: Promise<void>;

  constructor(
    private readonly stream: Writable,
    makeWriter: MakeWriter,
    { places, starts, requests, regions }: TraceSources,
  ) {
    this.places = new TracePlaces(places, starts);
    this.writer = makeWriter(this.thread, (piece) => this.pieces.push(piece));
    this.samples = this.holds.time(startSamples);
    this.microsAtBegin = nowMicros() - this.now() / 1000;
    try {
      this.holds.time(() => this.listen(requests, regions));
    } catch (error) {
      this.end();
      this.leaveStream();
      throw error;
    }
    this.own = this.recorder.begin('(execution tracer)');
    this.recorder.tell(this.own);
    this.written = this.apart(() => this.write());
  }

  now(): number {
    return this.recorder.now();
  }

  /** What is current. */
  get context(): Context {
    return this.recorder.current;
  }

  /** Calls a function in the trace's own execution: what it begins is none of the application's. */
  apart<T>(work: () => T): T {
    return this.recorder.within(this.own.context, work);
  }

  /** Ends it, and waits until all is handed to the stream. */
  async stop(): Promise<void> {
    this.end();
    await this.written;
    if (this.failure) throw this.failure;
  }

  // What executions do

  execution(at: number, execution: Execution): void {
    const { id, name, start, by } = execution;
    const frame = start ? undefined : this.places.start(name, this.now());
    const event = { type: 'execution', at, execution: id, name, by, start: frame } as const;
    if (start) this.begun.push({ event, stack: this.startOf(start) });
    this.push(event);
  }

  run(at: number, { id }: Execution): void {
    this.push({ type: 'run', at, thread: this.thread, execution: id });
  }

  idle(at: number): void {
    this.push({ type: 'idle', at, thread: this.thread });
  }

  wait(at: number, execution: Execution, cause: WaitedFor, raw: readonly RawFrame[] | undefined): void {
    const stack = raw && this.places.place(raw);
    this.push({ type: 'wait', at, execution: execution.id, cause, stack });
  }

  wake(at: number, { id }: Execution, by: Execution | undefined): void {
    this.push({ type: 'wake', at, execution: id, by: by?.id });
  }

  ended(at: number, { id }: Execution): void {
    this.push({ type: 'end', at, execution: id });
  }

  failed(error: Error): void {
    setImmediate(this.fail, error); // not here: a hook tells it
  }

  // What the application says

  /** A task begins, in what is current. */
  taskBegins(name: string, parent = this.context.task, at = this.now()): number {
    const task = ++this.lastTask;
    const { execution } = this.context;
    this.push({ type: 'task-begin', at, task, name, parent, execution: execution.id });
    return task;
  }

  taskEnds(task: number): void {
    this.push({ type: 'task-end', at: this.now(), task, execution: this.context.execution.id });
  }

  region(): TracedRegion {
    return new TracedRegion(this, this.recorder);
  }

  regionBegins(
    at: number,
    name: string,
    { execution, task }: Context,
    region: Region,
    raw: readonly RawFrame[] | undefined,
  ): void {
    const stack = raw && this.places.place(raw);
    const { number } = region;
    this.push({ type: 'region-begin', at, execution: execution.id, region: number, name, task, stack });
  }

  regionEnds({ execution }: Context, { number }: Region): void {
    this.push({ type: 'region-end', at: this.now(), execution: execution.id, region: number });
  }

  nextRegion(): number {
    return ++this.lastRegion;
  }

  say(key: string, text: string): void {
    const { task, execution } = this.context;
    this.push({ type: 'log', at: this.now(), execution: execution.id, key, text, task });
  }

  /** The stack of the caller. */
  stackAbove(above: (...args: never[]) => unknown): readonly RawFrame[] {
    return this.recorder.stackAbove(above);
  }

  /** Calls a function in which another task is current. */
  inTask<T>(task: number, work: () => T): T {
    const { execution, region } = this.context;
    return this.recorder.within(new Context(execution, task, region), work);
  }

  /** From here on another task is current, in this callback and in what begins in it. */
  enterTask(task: number | undefined): void {
    const { execution, region } = this.context;
    this.recorder.enter(new Context(execution, task, region));
  }

  message<T>(name: string, handle: () => T): T {
    if (this.context.task !== undefined) return handle(); // a part of a request, such as a resolver of GraphQL's
    const { recorder } = this;
    const execution = recorder.begin(name);
    recorder.tell(execution);
    return recorder.within(execution.context, () => {
      const task = this.taskBegins(name);
      const end = (): void => {
        this.taskEnds(task);
        recorder.end(execution);
      };
      const result = this.inTask(task, handle);
      if (result instanceof Promise)
        void result.then(end, end); // what it rejects with is the caller's
      else end();
      return result;
    });
  }

  // Its sources

  private listen(requests: RequestsInFlight, regions: FrameworkRegions): void {
    const collections = new Collections((collection) => {
      const { beginMs, endMs, kind, before, after, size } = collection;
      const at = this.recorder.timeOf(beginMs);
      const until = this.recorder.timeOf(endMs);
      if (at < 0) return;
      this.push({ type: 'collection', at, until, thread: this.thread, kind, before, after });
      if (after !== undefined) {
        this.push({ type: 'heap', at: until, thread: this.thread, used: after, goal: size });
      }
    });
    this.sources.push(
      () => this.recorder.stop(),
      () => collections.stop(),
      requests.observe({
        began: (request) => this.requestBegins(request),
        routed: (request) => this.requestIsRouted(request),
        ended: (request) => this.requestEnds(request),
      }),
      regions.watch(this),
    );
    this.stream.on('error', this.fail);
    this.stream.on('close', this.end);
    this.tellThreads();
    this.sendAtOnce();
    for (const request of requests.list()) this.wasThere(request);
    this.recorder.start();
  }

  private requestBegins(request: RequestUnderWay): void {
    const execution = this.recorder.begin(request.method);
    this.requests.set(request, { execution, task: ++this.lastTask });
    this.recorder.enter(new Context(execution, this.lastTask, undefined));
  }

  private requestIsRouted(request: RequestUnderWay): void {
    const known = this.requests.get(request);
    if (known && !known.execution.isTold) this.tellRequest(request, known.execution, known.task);
  }

  private tellRequest(request: RequestUnderWay, execution: Execution, task: number): void {
    const { handler } = request;
    const name = titleOf(request);
    execution.name = handler ? `${handler.className}.${handler.method}` : name;
    this.recorder.tell(execution);
    this.push({
      type: 'task-begin',
      at: execution.beganAt + 1,
      task,
      name,
      execution: execution.id,
    });
  }

  private requestEnds(request: RequestUnderWay): void {
    const known = this.requests.get(request);
    if (!known) return;
    this.requests.delete(request);
    const { execution, task } = known;
    if (!execution.isTold) this.tellRequest(request, execution, task);
    const at = this.now();
    const { status, clientGone } = request;
    const said = { route: titleOf(request), status: clientGone ? 'client gone' : String(status ?? '') };
    for (const [key, text] of Object.entries(said)) {
      if (text) this.push({ type: 'log', at, execution: execution.id, key, text, task });
    }
    this.push({ type: 'task-end', at, task, execution: execution.id });
    this.recorder.end(execution);
  }

  /** A request that had begun before. What it does is not known to be its own. */
  private wasThere(request: RequestUnderWay): void {
    const execution = this.recorder.begin(request.method, 1);
    execution.leftAt = 2;
    this.requests.set(request, { execution, task: ++this.lastTask });
    this.tellRequest(request, execution, this.lastTask);
  }

  private tellThreads(): void {
    const at = 0;
    this.push({ type: 'thread', at, thread: this.thread, name: 'main', runs: true });
    this.run(at, this.recorder.outside);
    const workers = new Map<number, string>();
    for (const { worker, nativeId } of workerBirths()) {
      const { threadId, threadName } = worker as { threadId: number; threadName?: string };
      if (nativeId !== undefined) workers.set(Number(nativeId), `worker ${threadName ?? threadId}`);
    }
    for (const { id, name } of nativeThreads()) {
      const thread = Number(id);
      const worker = workers.get(thread);
      if (thread !== this.thread)
        this.push({ type: 'thread', at, thread, name: worker ?? name, ...(worker && { runs: true }) });
    }
  }

  private startOf(start: RawFrame): TraceStack {
    let stack = this.startsOf.get(start);
    if (stack === undefined) this.startsOf.set(start, (stack = this.places.stack([start])));
    return stack;
  }

  private push(event: Exclude<TraceEvent, CutEvent>): void {
    if (this.isFull || this.endedAt !== undefined) return;
    this.events.push(event);
    if (this.events.length < MOST_EVENTS) return;
    this.isFull = true;
    this.events.push({ type: 'cut', at: this.now(), why: TOO_MANY });
    setImmediate(this.end); // not here: a hook may have told it
  }

  // Its end, and its bytes

  private readonly fail = (error: Error): void => {
    this.failure ??= error;
    this.end();
  };

  /** Nothing is told from here on. */
  private readonly end = (): void => {
    if (this.stopping.signal.aborted) return;
    this.stopping.abort();
    this.holds.time(() => {
      for (const stop of this.sources.splice(0)) stop();
      this.takeSamples();
      this.samples?.stop();
    });
    this.endedAt = this.now();
    this.over.abort();
  };

  private takeSamples(): void {
    for (const { micros, stack } of this.samples?.take() ?? []) {
      const at = Math.round((micros - this.microsAtBegin) * 1000);
      if (at > 0) this.push({ type: 'sample', at, thread: this.thread, stack: this.places.stack(stack) });
    }
  }

  /** Its own execution: all that the trace costs while it goes on is in the trace. */
  private async write(): Promise<void> {
    try {
      for (let turn = 1; !this.stopping.signal.aborted; turn++) {
        await nextWriting(this.stopping.signal);
        if (this.stopping.signal.aborted) break;
        this.holds.time(() => {
          this.recorder.catchUp();
          if (turn % SAMPLES_EVERY === 0) this.takeSamples();
        });
        await this.flush();
        await this.drained();
      }
      await this.flush();
      await runSliced(this.writer.end(this.endedAt!), this.holds);
      this.send();
    } catch (error) {
      this.fail(error as Error);
    } finally {
      this.leaveStream();
    }
  }

  private leaveStream(): void {
    this.stream.off('error', this.fail).off('close', this.end);
  }

  /** Whoever leaves early has the begin of a trace. */
  private sendAtOnce(): void {
    for (const event of this.events.splice(0)) this.writer.write(event);
    this.writer.flush(HELD_FOR);
    this.send();
  }

  private async flush(): Promise<void> {
    const { events, begun } = this;
    this.events = [];
    this.begun = [];
    await this.places.resolve(this.holds, this.now());
    for (const { event, stack } of begun) event.start = stack[0];
    await runSliced(this.writeAll(events), this.holds);
    this.holds.time(() => this.writer.flush(this.now()));
    this.send();
  }

  private *writeAll(events: readonly TraceEvent[]): Generator<void, void> {
    for (const [i, event] of events.entries()) {
      if (i % PIECE === 0) yield;
      this.writer.write(event);
    }
  }

  private send(): void {
    const pieces = this.pieces.splice(0);
    if (pieces.length === 0) return;
    const all = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces); // a reader has all of them, or none
    this.bytes += all.length;
    if (!this.stream.destroyed && !this.stream.writableEnded) this.stream.write(all);
  }

  /** The reader may be slow; what comes meanwhile waits, and the trace may end for it. */
  private async drained(): Promise<void> {
    if (!this.stream.writableNeedDrain) return;
    await once(this.stream, 'drain', { signal: this.stopping.signal }).catch(() => {}); // it is being stopped
  }
}

/** Keeps no process alive. */
function nextWriting(stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, EVERY_MS).unref();
    function done(): void {
      clearTimeout(timer);
      stop.removeEventListener('abort', done);
      resolve();
    }
    stop.addEventListener('abort', done);
  });
}

/** Somebody else may have V8's profiler in a way that ours cannot start: a trace goes without. */
function startSamples(): TraceSamples | undefined {
  try {
    return new TraceSamples();
  } catch {
    return undefined;
  }
}

function threadId(): number {
  try {
    return Number(ownThreadId());
  } catch {
    return process.pid; // not Linux
  }
}

/** The pattern, so that there are few; what was asked for is nobody's business here. */
function titleOf({ method, route }: RequestUnderWay): string {
  return `${method} ${route ?? '(no route)'}`;
}
