/**
 * Trace-event JSON for Perfetto and Chrome's DevTools.
 *
 * @see https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU (Trace Event Format)
 * @see https://github.com/google/perfetto/tree/main/src/trace_processor/importers/json
 */
import type { TraceEvent, TraceFrame, WaitCause } from './trace-event.js';

/** The traced process. */
export interface TracedProcess {
  readonly pid: number;
  readonly name: string;
  /** Metadata that viewers show: versions, the host, that the trace ended early. */
  readonly about: Readonly<Record<string, string>>;
}

type Of<T extends TraceEvent['type']> = Extract<TraceEvent, { type: T }>;
type RowEvent = Exclude<TraceEvent, Of<'thread' | 'thread-end' | 'collection' | 'sample' | 'name' | 'stack'>>;
type Kind = RowEvent['type'];

const KINDS: readonly Kind[] = [
  'create',
  'run',
  'wait',
  'preempt',
  'wake',
  'end',
  'task',
  'task-end',
  'region',
  'region-end',
  'log',
];
const CAUSES: readonly WaitCause[] = ['yield', 'network', 'timer', 'promise', 'select', 'syscall'];

/** An event of a goroutine. The meaning of `a`, `b` and `c` depends on its kind. */
interface Row {
  readonly kind: Kind;
  readonly time: number;
  readonly thread: number;
  readonly goroutine: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

/** Numbers per row: time; thread and kind; goroutine; a; b; c. */
const FIELDS = 6;
const CHUNK = 2048 * FIELDS;
/** Length of a piece of text, about 250 events. */
const PIECE = 32_768;

/**
 * Collects the events of a trace and writes them at its end, since names and stacks may be defined after their use. It expects
 * consistent events: times don't decrease on a thread, one goroutine runs at a time per thread, regions nest per goroutine, and ids
 * begin once. Ends may be missing. It keeps 48 bytes per event of a goroutine, and each distinct text once.
 */
export class TraceEventJson {
  private readonly chunks: Float64Array[] = [];
  private used = CHUNK;
  private readonly texts: string[] = [];
  private readonly textIds = new Map<string, number>();
  private readonly threads: Of<'thread'>[] = [];
  private readonly collections: Of<'collection'>[] = [];
  private readonly samples = new Map<number, Of<'sample'>[]>();
  private readonly names = new Map<number, string>();
  private readonly stacks = new Map<number, readonly TraceFrame[]>();
  private last = 0;

  add(event: TraceEvent): void {
    switch (event.type) {
      case 'name':
        this.names.set(event.id, event.text);
        break;
      case 'stack':
        this.stacks.set(event.id, event.frames);
        break;
      case 'thread':
        this.threads.push(event);
        break;
      case 'thread-end':
        break;
      case 'collection':
        insertByTime(this.collections, event);
        break;
      case 'sample':
        this.addSample(event);
        break;
      default:
        this.last = Math.max(this.last, event.time);
        this.addRow(event);
    }
  }

  /** The whole trace, in pieces of a few hundred events, none of which ends inside a surrogate pair. */
  *text(process: TracedProcess): Generator<string, void> {
    const writer = new EventWriter(process, this.threads);
    for (const _ of this.write(writer)) if (writer.length >= PIECE) yield writer.take();
    for (const [thread, samples] of this.samples)
      for (const _ of writeSamples(writer, thread, samples, this.stacks)) yield writer.take();
    yield writer.end();
  }

  /** Writes everything except samples. Yields after each event and the few that belong to it. */
  private *write(writer: EventWriter): Generator<void, void> {
    const timeline = new Timeline(writer, this.names, this.stacks, this.texts);
    for (const row of this.rows()) yield timeline[row.kind](row);
    yield* timeline.finishAll(this.last);
    yield* writeCollections(writer, this.collections);
  }

  private addSample(event: Of<'sample'>): void {
    const samples = this.samples.get(event.thread);
    if (samples) insertByTime(samples, event);
    else this.samples.set(event.thread, [event]);
  }

  private addRow(event: RowEvent): void {
    switch (event.type) {
      case 'create':
        return this.push(event, event.start, CAUSES.indexOf(event.waits ?? 'yield'));
      case 'wait':
        return this.push(event, event.stack, CAUSES.indexOf(event.cause));
      case 'task':
        return this.push(event, event.task, event.name, event.parent);
      case 'task-end':
        return this.push(event, event.task);
      case 'region':
        return this.push(event, event.task, this.textId(event.name));
      case 'log':
        return this.push(event, event.task, this.textId(event.key), this.textId(event.value));
      default:
        return this.push(event);
    }
  }

  private push({ type, time, thread, goroutine }: RowEvent, a = 0, b = 0, c = 0): void {
    if (this.used === CHUNK) {
      this.chunks.push(new Float64Array(CHUNK));
      this.used = 0;
    }
    const chunk = this.chunks.at(-1)!;
    const kind = thread * KINDS.length + KINDS.indexOf(type);
    for (const value of [time, kind, goroutine, a, b, c]) chunk[this.used++] = value;
  }

  private *rows(): Generator<Row, void> {
    for (const [n, chunk] of this.chunks.entries()) {
      const end = n === this.chunks.length - 1 ? this.used : CHUNK;
      for (let i = 0; i < end; i += FIELDS) {
        yield {
          time: chunk[i]!,
          kind: KINDS[chunk[i + 1]! % KINDS.length]!,
          thread: Math.floor(chunk[i + 1]! / KINDS.length),
          goroutine: chunk[i + 2]!,
          a: chunk[i + 3]!,
          b: chunk[i + 4]!,
          c: chunk[i + 5]!,
        };
      }
    }
  }

  private textId(text: string): number {
    const known = this.textIds.get(text);
    if (known !== undefined) return known;
    const id = this.texts.push(text) - 1;
    this.textIds.set(text, id);
    return id;
  }
}

/** Late events are only a little late, and sorting everything at the end would hold the event loop. */
function insertByTime<T extends { readonly time: number }>(sorted: T[], item: T): void {
  let at = sorted.length;
  while (at > 0 && sorted[at - 1]!.time > item.time) at--;
  sorted.splice(at, 0, item);
}

const UNKNOWN = '(unknown)';

function placeOf(frame: TraceFrame | undefined): string | undefined {
  return frame?.filename ? `${frame.name} (${frame.filename}:${frame.line})` : frame?.name;
}

/** A track of async events, with nested slices and ascending times. */
interface Track {
  readonly cat: 'execution' | 'task';
  /** Id of a goroutine or a task. */
  readonly id: number;
  readonly name: string;
  thread: number;
  /** Time of its last event. */
  last: number;
}

interface Task extends Track {
  open: boolean;
}

interface Execution extends Track {
  readonly regions: string[];
  /** `yield` if it is runnable but not running. */
  state: WaitCause | 'running';
  since: number;
  /** Stack at which it waits. */
  stack: number;
  /** Names its running slices: the first open task that began in it. */
  task?: Task;
}

/** Converts running, waiting and annotations to slices. Has a method for each kind of row. */
class Timeline implements Record<Kind, (row: Row) => void> {
  private readonly executions = new Map<number, Execution>();
  private readonly tasks = new Map<number, Task>();

  constructor(
    private readonly writer: EventWriter,
    private readonly names: ReadonlyMap<number, string>,
    private readonly stacks: ReadonlyMap<number, readonly TraceFrame[]>,
    private readonly texts: readonly string[],
  ) {}

  create({ time, thread, goroutine, a: start, b: cause }: Row): void {
    const frame = this.stacks.get(start)?.at(-1);
    const execution: Execution = {
      cat: 'execution',
      id: goroutine,
      thread,
      name: frame?.name ?? UNKNOWN,
      last: time,
      regions: [],
      state: CAUSES[cause]!,
      since: time,
      stack: 0,
    };
    this.executions.set(goroutine, execution);
    this.writer.async('b', execution, execution.name, time, { start: placeOf(frame) });
  }

  run(row: Row): void {
    this.enter(row, 'running');
  }

  wait(row: Row): void {
    this.enter(row, CAUSES[row.b]!, row.a);
  }

  preempt(row: Row): void {
    this.enter(row, 'yield');
  }

  wake(row: Row): void {
    this.enter(row, 'yield');
  }

  end({ goroutine, time }: Row): void {
    this.finish(this.executions.get(goroutine)!, time);
    this.executions.delete(goroutine);
  }

  task({ time, thread, goroutine, a: id, b: name, c: parent }: Row): void {
    const execution = this.executions.get(goroutine)!;
    const task: Task = {
      cat: 'task',
      id,
      thread,
      name: this.names.get(name) ?? UNKNOWN,
      last: time,
      open: true,
    };
    this.tasks.set(id, task);
    if (!execution.task?.open) execution.task = task;
    this.writer.async('b', task, task.name, time, { execution: goroutine, parent: parent || undefined });
  }

  'task-end'({ time, a: id }: Row): void {
    const task = this.tasks.get(id)!;
    task.open = false;
    this.tasks.delete(id);
    this.writer.async('e', task, task.name, time);
  }

  region({ time, goroutine, a: task, b: text }: Row): void {
    const execution = this.executions.get(goroutine)!;
    const name = this.texts[text]!;
    execution.regions.push(name);
    this.writer.async('b', execution, name, time, { task: task || undefined });
  }

  'region-end'({ time, goroutine }: Row): void {
    const execution = this.executions.get(goroutine)!;
    this.writer.async('e', execution, execution.regions.pop()!, time);
  }

  log({ time, goroutine, a: task, b: key, c: value }: Row): void {
    const args = { value: this.texts[value]!, task: task || undefined };
    this.writer.async('n', this.executions.get(goroutine)!, this.texts[key]!, time, args);
  }

  /** Ends everything that is open at the end of the trace. */
  *finishAll(time: number): Generator<void, void> {
    for (const execution of this.executions.values()) yield this.finish(execution, time);
    for (const task of this.tasks.values()) yield this.writer.async('e', task, task.name, time);
  }

  private finish(execution: Execution, time: number): void {
    this.leave(execution, time);
    while (execution.regions.length > 0) this.writer.async('e', execution, execution.regions.pop()!, time);
    this.writer.async('e', execution, execution.name, time);
  }

  private enter({ goroutine, thread, time }: Row, state: Execution['state'], stack = 0): void {
    const execution = this.executions.get(goroutine)!;
    this.leave(execution, time);
    if (!execution.task?.open) execution.task = undefined;
    Object.assign(execution, { state, since: time, thread, stack });
  }

  /** Writes the state that an execution was in until now. */
  private leave(execution: Execution, until: number): void {
    const { state, since, stack, task } = execution;
    if (state === 'running') {
      const args = { execution: execution.id, task: task?.id };
      this.writer.slice(execution.thread, (task ?? execution).name, since, until, args);
    } else if (state !== 'yield' || until > since) {
      const name = state === 'yield' ? 'runnable' : state;
      this.writer.async('b', execution, name, since, { at: placeOf(this.stacks.get(stack)?.[0]) });
      this.writer.async('e', execution, name, until);
    }
  }
}

/** Writes single events. */
class EventWriter {
  private readonly separator: string;
  private text: string;
  private readonly tids = new Map<number, number>();
  private readonly taken = new Set<number>();
  private readonly lanes: number[] = [];

  constructor({ pid, name, about }: TracedProcess, threads: readonly Of<'thread'>[]) {
    this.separator = `,\n{"pid":${pid},`;
    this.text = `{"displayTimeUnit":"ms","otherData":${JSON.stringify(about)},"traceEvents":[\n`;
    this.text += JSON.stringify({ ph: 'M', name: 'process_name', pid, tid: 0, args: { name } });
    for (const { thread, id, name } of threads) this.tids.set(thread, this.addThread(id, name));
  }

  get length(): number {
    return this.text.length;
  }

  /** The text that was written since the last call. */
  take(): string {
    const text = this.text;
    this.text = '';
    return text;
  }

  /** The same, followed by the end of the file. */
  end(): string {
    return `${this.take()}\n]}\n`;
  }

  /** Writes an event of an async track: begin, end, or instant. It must not be earlier than the previous one. */
  async(ph: 'b' | 'e' | 'n', track: Track, name: string, time: number, args?: object): void {
    track.last = Math.max(track.last, time);
    const tid = this.tids.get(track.thread);
    this.write({ ph, cat: track.cat, id: hex(track.id), name, tid, ts: track.last / 1000, args });
  }

  /** Writes a slice of a thread. */
  slice(thread: number, name: string, time: number, end: number, args: object): void {
    this.complete('execution', this.tids.get(thread)!, name, time, end, args);
  }

  /** @param lane zero-based row, for overlapping collections */
  collection(lane: number, { kind, time, end, before, after }: Of<'collection'>): void {
    this.lanes[lane] ??= this.addThread(EXTRA_TID, 'Garbage collections');
    this.complete('collection', this.lanes[lane], kind, time, end, { before, after });
  }

  heapSize(time: number, used: number): void {
    this.write({ ph: 'C', name: 'JS heap', tid: 0, ts: time / 1000, args: { used } });
  }

  cpuProfile(name: 'Profile' | 'ProfileChunk', thread: number, micros: number, data: object): void {
    const cat = 'disabled-by-default-v8.cpu_profiler';
    const tid = this.tids.get(thread);
    this.write({ ph: 'P', cat, id: hex(thread + 1), name, tid, ts: micros, args: { data } });
  }

  private complete(cat: string, tid: number, name: string, time: number, end: number, args: object): void {
    const ts = time / 1000;
    const short = (end - time) / 1000;
    // DevTools drops a slice that begins before the previous one ends, even if only because this sum was rounded.
    const dur = ts + short === end / 1000 ? short : end / 1000 - ts;
    this.write({ ph: 'X', cat, name, tid, ts, dur, args });
  }

  private addThread(wanted: number, name: string): number {
    let tid = wanted;
    while (this.taken.has(tid)) tid++; // in a container, the process and a worker can both have id 1
    this.taken.add(tid);
    this.write({ ph: 'M', name: 'thread_name', tid, args: { name } });
    this.write({ ph: 'M', name: 'thread_sort_index', tid, args: { sort_index: this.taken.size } });
    return tid;
  }

  private write(event: object): void {
    this.text += `${this.separator}${JSON.stringify(event).slice(1)}`;
  }
}

/** Thread ids of rows that are not threads; greater than those of Linux. */
const EXTRA_TID = 10_000_000;

function hex(id: number): string {
  return `0x${id.toString(16)}`;
}

/** Writes collections, each to the first free lane, since those of several threads overlap. */
function* writeCollections(
  writer: EventWriter,
  collections: readonly Of<'collection'>[],
): Generator<void, void> {
  const ends: number[] = [];
  const sizes: { time: number; used: number }[] = [];
  for (const collection of collections) {
    const { time, end, before, after } = collection;
    const free = ends.findIndex((end) => end <= time);
    const lane = free < 0 ? ends.length : free;
    ends[lane] = end;
    yield writer.collection(lane, collection);
    if (before !== undefined) insertByTime(sizes, { time, used: before });
    if (after !== undefined) insertByTime(sizes, { time: end, used: after });
  }
  for (const { time, used } of sizes) yield writer.heapSize(time, used);
}

/** Maximum number of samples, or nodes, in a chunk of a CPU profile. */
const ENTRIES = 256;

/** Writes CPU samples of a thread in V8's trace format, in whole microseconds. */
function* writeSamples(
  writer: EventWriter,
  thread: number,
  samples: readonly Of<'sample'>[],
  stacks: ReadonlyMap<number, readonly TraceFrame[]>,
): Generator<void, void> {
  const tree = new CallTree(stacks);
  let last = Math.floor(samples[0]!.time / 1000);
  writer.cpuProfile('Profile', thread, last, { startTime: last });
  let nodes: number[] = [];
  let timeDeltas: number[] = [];
  for (const [i, { time, stack }] of samples.entries()) {
    const micros = Math.floor(time / 1000);
    nodes.push(tree.nodeOf(stack));
    timeDeltas.push(micros - last);
    last = micros;
    if (i < samples.length - 1 && nodes.length < ENTRIES && tree.added.length < ENTRIES) continue;
    const cpuProfile = { nodes: tree.added, samples: nodes };
    yield writer.cpuProfile('ProfileChunk', thread, micros, { cpuProfile, timeDeltas });
    [tree.added, nodes, timeDeltas] = [[], [], []];
  }
}

interface CallNode {
  readonly id: number;
  readonly parent?: number;
  readonly callFrame: object;
}

const ROOT = 1;

/** A call tree that also collects the nodes added since they were last taken. */
class CallTree {
  added: CallNode[] = [{ id: ROOT, callFrame: { functionName: '(root)', scriptId: 0 } }];
  private readonly ids = new Map<string, number>();
  private readonly ofStacks = new Map<number, number>();

  constructor(private readonly stacks: ReadonlyMap<number, readonly TraceFrame[]>) {}

  nodeOf(stack: number): number {
    const known = this.ofStacks.get(stack);
    if (known !== undefined) return known;
    const frames = this.stacks.get(stack) ?? [];
    const node = frames.reduceRight((caller, frame) => this.called(caller, frame), ROOT);
    this.ofStacks.set(stack, node);
    return node;
  }

  private called(parent: number, frame: TraceFrame): number {
    const key = `${parent} ${frame.address}`;
    const known = this.ids.get(key);
    if (known !== undefined) return known;
    const id = this.ids.size + ROOT + 1;
    this.ids.set(key, id);
    this.added.push({ id, parent, callFrame: callFrame(frame) });
    return id;
  }
}

/** Positions are zero-based there, and omitted if unknown. */
function callFrame({ name, filename, line }: TraceFrame): object {
  return {
    functionName: name,
    scriptId: 0,
    url: filename,
    ...(line > 0 && { lineNumber: line - 1 }),
  };
}
