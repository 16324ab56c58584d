import type { TraceEvent } from '../../format/trace-event.js';
import type { CallerFrame } from '../../sampling/call-stack.js';
import type { CallStack } from '../../sampling/wait-sample.js';

/** Where a goroutine starts: a function, or only a name. */
export type StartFunction = CallerFrame | string;

/** Waits at further stacks are written without a stack. */
const MOST_STACKS = 50_000;

/** The log message in a trace that is full. */
const EARLY = 'the trace ended early: events were recorded faster than they could be written';

/** Keeps the events of a trace, and the stacks and names of their ids, until they are written. */
export class TraceBuffer {
  /** Whether the limit was reached; later events are dropped. */
  isFull = false;
  private isClosed = false;
  private readonly stackIds = new Map<CallStack, number>();
  private stacks: (readonly [CallStack['frames'], number])[] = [];
  private starts = new Map<StartFunction, number[]>();
  private events: TraceEvent[] = [];
  private lastId = 0;

  /** @param limit maximum number of events kept until they are taken */
  constructor(private readonly limit: number) {}

  add(event: TraceEvent): void {
    if (this.isFull || this.isClosed) return;
    this.events.push(event);
    this.isFull = this.events.length >= this.limit;
  }

  /** Defines a name, even if the buffer is full. */
  name(id: number, text: string): void {
    this.events.push({ type: 'name', id, text });
  }

  /** Stops adding events. If it is full, adds a log message. */
  close(at: { readonly time: number; readonly thread: number; readonly goroutine: number }): void {
    if (this.isFull) this.events.push({ type: 'log', ...at, task: 0, key: 'comment', value: EARLY });
    this.isClosed = true;
  }

  /** The events since the last call. */
  take(): TraceEvent[] {
    const { events } = this;
    this.events = [];
    return events;
  }

  /** The new stacks since the last call, with their ids, and the start functions, each the only frame of its stacks. */
  takeStacks(): { stacks: TraceBuffer['stacks']; starts: [StartFunction, number[]][] } {
    const { stacks, starts } = this;
    this.stacks = [];
    this.starts = new Map();
    return { stacks, starts: [...starts] };
  }

  /** A new id, unique among stacks, names, tasks and regions. */
  newId(): number {
    return ++this.lastId;
  }

  stackId(stack: CallStack | undefined): number {
    if (!stack) return 0;
    const known = this.stackIds.get(stack);
    if (known !== undefined || this.stackIds.size >= MOST_STACKS) return known ?? 0;
    const id = this.newId();
    this.stackIds.set(stack, id);
    this.stacks.push([stack.frames, id]);
    return id;
  }

  /** A new stack id for the start of a goroutine. */
  start(fn: StartFunction): number {
    const id = this.newId();
    this.startAt(fn, id);
    return id;
  }

  startAt(fn: StartFunction, id: number): void {
    const ids = this.starts.get(fn);
    if (ids) ids.push(id);
    else this.starts.set(fn, [id]);
  }
}
