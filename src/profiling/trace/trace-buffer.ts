import type { TraceEvent } from '../../format/trace-event.js';
import type { CallerFrame } from '../../sampling/call-stack.js';
import type { CallStack } from '../../sampling/wait-sample.js';

/** Where goroutines begin: a function, or a name alone. */
export type StartFunction = CallerFrame | string;

/** Waits that begin at others have no stack. */
const MOST_STACKS = 50_000;

/** What a trace says of itself if it is full. */
const EARLY = 'the trace ended early: events were recorded faster than they could be written';

/** The events of a trace until they are written, and what their ids stand for. */
export class TraceBuffer {
  /** There were more events than it keeps: there are no more since. */
  isFull = false;
  private isClosed = false;
  private readonly stackIds = new Map<CallStack, number>();
  private stacks: (readonly [CallStack['frames'], number])[] = [];
  private starts = new Map<StartFunction, number[]>();
  private events: TraceEvent[] = [];
  private lastId = 0;

  /** @param limit of events that are kept until they are taken */
  constructor(private readonly limit: number) {}

  add(event: TraceEvent): void {
    if (this.isFull || this.isClosed) return;
    this.events.push(event);
    this.isFull = this.events.length >= this.limit;
  }

  /** Defines a name, also if it is full. */
  name(id: number, text: string): void {
    this.events.push({ type: 'name', id, text });
  }

  /** Adds no more. If it is full, the trace says so. */
  close(at: { readonly time: number; readonly thread: number; readonly goroutine: number }): void {
    if (this.isFull) this.events.push({ type: 'log', ...at, task: 0, key: 'comment', value: EARLY });
    this.isClosed = true;
  }

  /** The events since they were taken last. */
  take(): TraceEvent[] {
    const { events } = this;
    this.events = [];
    return events;
  }

  /** Stacks that events refer to, with their ids, since they were taken last: of start functions, the only frame. */
  takeStacks(): { stacks: TraceBuffer['stacks']; starts: [StartFunction, number[]][] } {
    const { stacks, starts } = this;
    this.stacks = [];
    this.starts = new Map();
    return { stacks, starts: [...starts] };
  }

  /** An id that no stack, name, task or region has. */
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

  /** A new id of a stack for the start of a goroutine. */
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
