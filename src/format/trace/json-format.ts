import type { TakePiece, TraceFrame, TraceStack } from './events.js';
import type {
  Collection,
  Execution,
  Region,
  Task,
  Thread,
  TracedProcess,
  TraceFormat,
} from './trace-format.js';

/** Letters of a piece, about. */
const PIECE = 64 * 1024;
/** Entries written between two yields. */
const SLICE = 500;
/** Samples of a chunk. */
const CHUNK = 100;
/** Nodes of a call tree; then another one begins, so that memory is bounded. */
const MOST_NODES = 16_384;

/** Collections have a row beside that of their thread: numbers that no thread has. */
const COLLECTIONS = 2 ** 30;

/** Readers want a category of all. */
const METADATA = '__metadata';

const encoder = new TextEncoder();

/** An entry of the list; its process is added. */
interface Entry {
  /** Its kind: one letter. */
  readonly ph: string;
  readonly name: string;
  readonly cat: string;
  readonly tid?: number;
  readonly id?: string;
  /** µs */
  readonly ts: number;
  readonly dur?: number;
  readonly args?: object;
}

/**
 * A trace as Chrome's and Perfetto's viewers read it: a list of events in JSON. A list that lacks its end is read too.
 *
 * A thread's row has slices of who ran. An execution has a track of its own, with its regions, what it waited for and
 * what it said: that nests, since only who runs begins or ends a region. Tasks have tracks as well.
 *
 * @see https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
 */
export class JsonFormat implements TraceFormat {
  private text = '[\n';
  private isFirst = true;
  private now = 0;
  private readonly named = new Set<number>();
  /** When those that run started to. */
  private readonly since = new Map<Thread, number>();
  private readonly profiles = new Map<Thread, SampleChunk>();
  private begunProfiles = 0;

  constructor(
    private readonly process: TracedProcess,
    private readonly take: TakePiece,
  ) {
    this.write({ ph: 'M', cat: METADATA, name: 'process_name', ts: 0, args: { name: process.name } });
  }

  row(at: number, thread: Thread): void {
    const isMain = thread.id === this.process.mainThread;
    if (!this.named.has(thread.id)) this.name(at, thread.id, isMain ? 'main' : `thread ${thread.id}`);
    this.sort(at, thread.id, thread.index * 2);
  }

  name(at: number, thread: number, name: string): void {
    this.named.add(thread);
    this.write({ ph: 'M', cat: METADATA, name: 'thread_name', tid: thread, ts: micros(at), args: { name } });
  }

  create(at: number, execution: Execution, by: Execution | undefined): void {
    const { functionName, file, line } = execution.start;
    this.track('b', at, execution, execution.name, {
      function: functionName,
      ...(file && { at: `${file}:${line}` }),
      ...(by && { by: by.number }),
    });
  }

  start(at: number, _execution: Execution, thread: Thread): void {
    this.since.set(thread, at);
  }

  stop(at: number, execution: Execution, thread: Thread): void {
    this.ran(at, execution, thread, 'another');
  }

  block(at: number, execution: Execution, thread: Thread): void {
    const { cause, stack } = execution;
    this.ran(at, execution, thread, cause);
    this.track('b', at, execution, cause, stack?.length ? { stack: stack.map(place) } : undefined);
  }

  wake(at: number, execution: Execution, by: Execution | undefined): void {
    this.track('e', at, execution, execution.cause, by && { by: by.number });
  }

  end(at: number, execution: Execution, thread: Thread): void {
    this.ran(at, execution, thread, 'end');
    this.track('e', at, execution, execution.name);
  }

  collectionBegin(): void {}

  collectionEnd(at: number, { at: begin, thread, kind }: Collection): void {
    const tid = COLLECTIONS + thread.index;
    if (!this.named.has(tid)) {
      this.name(at, tid, `collections of ${thread.id}`);
      this.sort(at, tid, thread.index * 2 + 1);
    }
    this.write({ ph: 'X', cat: 'gc', name: kind, tid, ts: micros(begin), dur: micros(at - begin) });
  }

  heap(at: number, used: number, goal: number | undefined): void {
    this.write({
      ph: 'C',
      cat: 'gc',
      name: 'heap',
      ts: micros(at),
      args: { used: finite(used), goal: finite(goal) },
    });
  }

  taskBegin(at: number, by: Execution, task: Task): void {
    this.task('b', at, task, { execution: by.number, parent: task.parent?.number });
  }

  taskEnd(at: number, by: Execution, task: Task): void {
    this.task('e', at, task, { execution: by.number });
  }

  regionBegin(at: number, by: Execution, region: Region, stack: TraceStack | undefined): void {
    this.track('b', at, by, region.name, { task: region.task?.number, stack: stack?.map(place) });
  }

  regionEnd(at: number, by: Execution, region: Region): void {
    this.track('e', at, by, region.name);
  }

  log(at: number, by: Execution, task: Task | undefined, key: string, text: string): void {
    this.track('n', at, by, key || 'log', { text, task: task?.number });
  }

  sample(at: number, thread: Thread, _execution: Execution | undefined, stack: TraceStack): void {
    let chunk = this.profiles.get(thread);
    if (chunk === undefined || chunk.nodes >= MOST_NODES) {
      if (chunk) this.writeChunk(chunk, thread);
      chunk = new SampleChunk(`profile ${++this.begunProfiles}`, at);
      this.profiles.set(thread, chunk);
      this.profile('Profile', chunk, thread, { startTime: micros(at) });
    }
    chunk.add(at, stack);
    if (chunk.size >= CHUNK) this.writeChunk(chunk, thread);
  }

  *finish(at: number, executions: Iterable<Execution>, tasks: Iterable<Task>): Generator<void, void> {
    let count = 0;
    for (const execution of executions) {
      if (count++ % SLICE === 0) yield;
      if (execution.state === 'waiting') this.track('e', at, execution, execution.cause);
      for (const region of execution.regions.toReversed()) this.track('e', at, execution, region.name);
      this.track('e', at, execution, execution.name, { still: true });
    }
    for (const task of tasks) {
      if (count++ % SLICE === 0) yield;
      this.task('e', at, task, { still: true });
    }
    for (const [thread, chunk] of this.profiles) this.writeChunk(chunk, thread);
    this.text += '\n]\n';
    this.flush();
  }

  private sort(at: number, tid: number, index: number): void {
    const name = 'thread_sort_index';
    this.write({ ph: 'M', cat: METADATA, name, tid, ts: micros(at), args: { sort_index: index } });
  }

  private ran(at: number, execution: Execution, thread: Thread, next: string): void {
    const begin = this.since.get(thread)!;
    this.write({
      ph: 'X',
      cat: 'run',
      name: execution.name,
      tid: thread.id,
      ts: micros(begin),
      dur: micros(at - begin),
      args: { execution: execution.number, next },
    });
  }

  /** On the track of an execution. */
  private track(ph: 'b' | 'e' | 'n', at: number, { number }: Execution, name: string, args?: object): void {
    this.write({ ph, cat: 'execution', id: `${number}`, name, ts: micros(at), ...(args && { args }) });
  }

  private task(ph: 'b' | 'e', at: number, { number, name }: Task, args: object): void {
    this.write({ ph, cat: 'task', id: `${number}`, name, ts: micros(at), args });
  }

  private writeChunk(chunk: SampleChunk, thread: Thread): void {
    const data = chunk.flush();
    if (data) this.profile('ProfileChunk', chunk, thread, data);
  }

  private profile(name: string, { id }: SampleChunk, thread: Thread, data: object): void {
    const cat = 'disabled-by-default-v8.cpu_profiler';
    this.write({ ph: 'P', cat, name, id, tid: thread.id, ts: micros(this.now), args: { data } });
  }

  private write(entry: Entry): void {
    this.now = Math.max(this.now, entry.ts * 1000);
    this.text += `${this.isFirst ? '' : ',\n'}${JSON.stringify({ pid: this.process.pid, tid: this.process.mainThread, ...entry })}`;
    this.isFirst = false;
    if (this.text.length >= PIECE) this.flush();
  }

  flush(): void {
    if (this.text === '') return;
    this.take(encoder.encode(this.text));
    this.text = '';
  }
}

interface Node {
  readonly id: number;
  readonly callees: Map<string, Node>;
}

/** Samples of a thread, as V8 puts them into its own traces: a call tree that grows, and a node for each sample. */
class SampleChunk {
  nodes = 1;
  private readonly root: Node = { id: 1, callees: new Map() };
  private newNodes: object[] = [
    { id: 1, callFrame: { functionName: '(root)', scriptId: 0, url: '', lineNumber: -1, columnNumber: -1 } },
  ];
  private samples: number[] = [];
  private deltas: number[] = [];

  constructor(
    readonly id: string,
    private last: number,
  ) {}

  get size(): number {
    return this.samples.length;
  }

  add(at: number, stack: TraceStack): void {
    let node = this.root;
    for (let i = stack.length - 1; i >= 0; i--) node = this.callee(node, stack[i]!);
    this.samples.push(node.id);
    this.deltas.push(micros(at - this.last));
    this.last = at;
  }

  /** What has come since it was asked. */
  flush(): object | undefined {
    if (this.samples.length === 0) return undefined;
    const { newNodes: nodes, samples, deltas: timeDeltas } = this;
    this.newNodes = [];
    this.samples = [];
    this.deltas = [];
    return { cpuProfile: { nodes, samples }, timeDeltas };
  }

  private callee(parent: Node, { functionName, file, line }: TraceFrame): Node {
    const key = `${functionName}\0${file}\0${line}`;
    let node = parent.callees.get(key);
    if (node === undefined) {
      node = { id: ++this.nodes, callees: new Map() };
      parent.callees.set(key, node);
      // Lines are counted from 0 there.
      const callFrame = { functionName, scriptId: 0, url: file, lineNumber: line - 1, columnNumber: 0 };
      this.newNodes.push({ id: node.id, parent: parent.id, callFrame });
    }
    return node;
  }
}

function micros(ns: number): number {
  return ns / 1000;
}

/** What is no number is left out. */
function finite(value: number | undefined): number | undefined {
  return Number.isFinite(value) ? value : undefined;
}

function place({ functionName, file, line }: TraceFrame): string {
  return file ? `${functionName} (${file}:${line})` : functionName;
}
