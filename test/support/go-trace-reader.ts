/*
 * Reads Go's execution trace of version 1.19, and throws where `go tool trace` of Go 1.19 or 1.23 would: what they insist on, also what
 * only their pages do. Written from the format's description, not from the writer.
 */

export interface GoFrame {
  readonly address: number;
  readonly name: string;
  readonly file: string;
  readonly line: number;
}

export interface GoEvent {
  readonly type: EventName;
  /** In ticks. */
  readonly time: number;
  /** -1: none. */
  readonly p: number;
  /** What ran there; 0: nothing. For `GoWaiting`, `GoInSyscall` and `GoSysExit`: whom it is about. */
  readonly g: number;
  /** Without the time and the stack. */
  readonly args: readonly number[];
  readonly stack: number;
  /** Of a log. */
  readonly text: string;
}

export interface GoGoroutine {
  /** Of its start function. */
  readonly name: string;
  readonly created: number;
  ended: number | undefined;
  running: number;
  runnable: number;
  /** By the event that began the wait. */
  readonly waits: Record<string, { count: number; time: number }>;
}

export interface GoTask {
  readonly id: number;
  readonly parent: number;
  readonly name: string;
  readonly goroutine: number;
  readonly begin: number;
  end: number | undefined;
}

export interface GoRegion {
  readonly name: string;
  readonly task: number;
  readonly goroutine: number;
  readonly begin: number;
  end: number | undefined;
}

export interface GoLog {
  readonly time: number;
  readonly task: number;
  readonly goroutine: number;
  readonly key: string;
  readonly value: string;
}

export interface GoCollection {
  readonly begin: number;
  end: number | undefined;
}

export interface GoSample {
  readonly time: number;
  readonly p: number;
  readonly goroutine: number;
  readonly stack: readonly string[];
}

export interface GoTrace {
  /** In the one order that fits. */
  readonly events: readonly GoEvent[];
  readonly strings: ReadonlyMap<number, string>;
  readonly stacks: ReadonlyMap<number, readonly GoFrame[]>;
  readonly goroutines: ReadonlyMap<number, GoGoroutine>;
  readonly tasks: readonly GoTask[];
  readonly regions: readonly GoRegion[];
  readonly logs: readonly GoLog[];
  readonly collections: readonly GoCollection[];
  readonly samples: readonly GoSample[];
  readonly heap: readonly { readonly time: number; readonly bytes: number }[];
  /** Ids by P. */
  readonly threads: ReadonlyMap<number, number>;
}

/** By number: name, number of arguments between time and stack, whether there is a stack. */
const EVENTS = {
  4: ['Gomaxprocs', 1, true],
  5: ['ProcStart', 1, false],
  6: ['ProcStop', 0, false],
  7: ['GCStart', 1, true],
  8: ['GCDone', 0, false],
  13: ['GoCreate', 2, true],
  14: ['GoStart', 2, false],
  15: ['GoEnd', 0, false],
  17: ['GoSched', 0, true],
  18: ['GoPreempt', 0, true],
  19: ['GoSleep', 0, true],
  21: ['GoUnblock', 2, true],
  23: ['GoBlockRecv', 0, true],
  24: ['GoBlockSelect', 0, true],
  27: ['GoBlockNet', 0, true],
  28: ['GoSysCall', 0, true],
  29: ['GoSysExit', 3, false],
  30: ['GoSysBlock', 0, false],
  33: ['HeapAlloc', 1, false],
  45: ['UserTaskCreate', 3, true],
  46: ['UserTaskEnd', 1, true],
  47: ['UserRegion', 3, true],
  48: ['UserLog', 2, true],
  49: ['CPUSample', 3, true],
} as const;

export type EventName = (typeof EVENTS)[keyof typeof EVENTS][0];
type Description = readonly [EventName, number, boolean];
const DESCRIPTIONS: Readonly<Record<number, Description>> = EVENTS;

const BATCH = 1;
const FREQUENCY = 2;
const STACK = 3;
const STRING = 37;
/** -1 in 64 bits, as a double has it. */
const NO_P = 2 ** 64;

const BLOCKS: ReadonlySet<string> = new Set([
  'GoSleep',
  'GoBlockRecv',
  'GoBlockSelect',
  'GoBlockNet',
  'GoSysBlock',
]);
const YIELDS: ReadonlySet<string> = new Set(['GoSched', 'GoPreempt']);
/** After these, nothing runs. */
const LEAVES: ReadonlySet<string> = new Set([...BLOCKS, ...YIELDS, 'GoEnd']);

export function readGoTrace(bytes: Uint8Array): GoTrace {
  const { batches, samples, strings, stacks } = new RecordReader(bytes).read();
  return new Replay(merged(batches), samples, strings, stacks).trace();
}

function fail(message: string): never {
  throw new Error(`Go trace: ${message}`);
}

/** The records of a file, as they are. */
class RecordReader {
  private position = 16;
  private readonly strings = new Map<number, string>();
  private readonly stacks = new Map<number, readonly GoFrame[]>();
  private readonly rawStacks: number[][] = [];
  private readonly batches = new Map<number, GoEvent[]>();
  private readonly samples: GoEvent[] = [];
  private frequency = 0;
  private p: number | undefined;
  private time = 0;
  /** What runs, by P. */
  private readonly running = new Map<number, number>();

  constructor(private readonly bytes: Uint8Array) {}

  read(): {
    batches: Map<number, GoEvent[]>;
    samples: GoEvent[];
    strings: Map<number, string>;
    stacks: Map<number, readonly GoFrame[]>;
  } {
    const header = Buffer.from(this.bytes.subarray(0, 16)).toString('latin1');
    if (header !== 'go 1.19 trace\0\0\0') fail(`header ${JSON.stringify(header)}`);
    while (this.position < this.bytes.length) this.record();
    if (this.frequency === 0) fail('no Frequency');
    if (this.batches.size === 0) fail('no events');
    for (const raw of this.rawStacks) this.addStack(raw);
    const { batches, samples, strings, stacks } = this;
    return { batches, samples, strings, stacks };
  }

  private record(): void {
    const first = this.byte();
    const type = first & 63;
    if (type === STRING) return this.string();
    const count = (first >> 6) + 1;
    if (type === BATCH) return this.batch(count);
    if (this.p === undefined) fail(`record ${type} before the first Batch`);
    const args = count < 4 ? Array.from({ length: count }, () => this.number()) : this.longArgs();
    if (type === FREQUENCY) {
      if (args.length !== 1 || !(args[0]! > 0)) fail('Frequency');
      this.frequency = args[0]!;
    } else if (type === STACK) this.rawStacks.push(args);
    else this.event(DESCRIPTIONS[type] ?? fail(`unknown type ${type}`), args);
  }

  private batch(count: number): void {
    if (count !== 2) fail('arguments of Batch');
    const p = this.varint();
    if (p !== NO_P && p >= 2 ** 31) fail(`P ${p}`);
    this.p = p === NO_P ? -1 : p;
    this.time = this.number();
  }

  private string(): void {
    const id = this.number();
    if (id === 0 || this.strings.has(id)) fail(`string id ${id}`);
    const text = this.text();
    if (text === '') fail(`empty string ${id}`);
    this.strings.set(id, text);
  }

  private addStack([id, size, ...numbers]: number[]): void {
    if (size! > 1000 || numbers.length !== 4 * size!) fail(`size of stack ${id}`);
    const frames = Array.from({ length: size! }, (_, i): GoFrame => {
      const [address, name, file, line] = numbers.slice(4 * i, 4 * i + 4) as [number, number, number, number];
      return { address, name: this.stringOf(name), file: file === 0 ? '' : this.stringOf(file), line };
    });
    if (id! >= 2 ** 32 || id === 0) fail(`stack id ${id}`);
    if (frames.some(({ address, name }) => address === 0 || name === '')) fail(`frame of stack ${id}`);
    this.stacks.set(id!, frames);
  }

  private stringOf(id: number): string {
    return this.strings.get(id) ?? fail(`string ${id} is missing`);
  }

  private event([type, count, hasStack]: Description, all: number[]): void {
    if (all.length !== 1 + count + (hasStack ? 1 : 0)) fail(`${type} has ${all.length} arguments`);
    const args = all.slice(1, 1 + count);
    const p = this.p!;
    const stack = hasStack ? all.at(-1)! : 0;
    if (type === 'CPUSample') {
      if (all[0] !== 0) fail('a CPUSample moves the time, which Go 1.23 ignores');
      const [time, p, g] = args as [number, number, number];
      this.samples.push({ type, time, p, g, args, stack, text: '' });
      return;
    }
    this.time += all[0]!;
    if (type === 'GoStart') this.running.set(p, args[0]!);
    const g = type === 'GoSysExit' ? args[0]! : (this.running.get(p) ?? 0);
    const text = type === 'UserLog' ? this.text() : '';
    const event: GoEvent = { type, time: this.time, p, g, args, stack, text };
    if (LEAVES.has(type)) this.running.set(p, 0);
    const events = this.batches.get(p);
    if (events) events.push(event);
    else this.batches.set(p, [event]);
  }

  private longArgs(): number[] {
    const length = this.number();
    if (length > 2048) fail(`a record of ${length} bytes, which Go 1.23 refuses`);
    const end = this.position + length;
    const args: number[] = [];
    while (this.position < end) args.push(this.number());
    if (this.position !== end) fail('length of a record');
    return args;
  }

  private text(): string {
    const length = this.number();
    if (length > 1_000_000 || this.position + length > this.bytes.length) fail(`string of ${length} bytes`);
    this.position += length;
    return new TextDecoder('utf-8', { fatal: true }).decode(
      this.bytes.subarray(this.position - length, this.position),
    );
  }

  private number(): number {
    const value = this.varint();
    if (value > Number.MAX_SAFE_INTEGER) fail(`number ${value}`);
    return value;
  }

  private varint(): number {
    let value = 0;
    for (let factor = 1; factor < 2 ** 70; factor *= 128) {
      const byte = this.byte();
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
    return fail('varint');
  }

  private byte(): number {
    return this.bytes[this.position++] ?? fail('ends within a record');
  }
}

type Status = 'dead' | 'runnable' | 'running' | 'waiting';

interface Transition {
  readonly key: number | 'gc';
  readonly from: Status;
  /** Any, if undefined. */
  readonly sequence: number | undefined;
  readonly to: Status;
}

/** What an event does to a goroutine, or to the collector; undefined: it is in order by its time alone. */
function transitionOf({ type, g, args }: GoEvent): Transition | undefined {
  if (type === 'GoCreate') return { key: args[0]!, from: 'dead', sequence: 0, to: 'runnable' };
  if (type === 'GoStart') return { key: g, from: 'runnable', sequence: args[1]!, to: 'running' };
  if (type === 'GoUnblock' || type === 'GoSysExit') {
    return { key: args[0]!, from: 'waiting', sequence: args[1]!, to: 'runnable' };
  }
  if (type === 'GCStart') return { key: 'gc', from: 'dead', sequence: args[0]!, to: 'dead' };
  if (BLOCKS.has(type)) return { key: g, from: 'running', sequence: undefined, to: 'waiting' };
  if (YIELDS.has(type)) return { key: g, from: 'running', sequence: undefined, to: 'runnable' };
  return undefined;
}

/** Merges the Ps: of the events that fit, the earliest first. */
function merged(batches: ReadonlyMap<number, readonly GoEvent[]>): GoEvent[] {
  const states = new Map<number | 'gc', { status: Status; sequence: number }>();
  const stateOf = (key: number | 'gc'): { status: Status; sequence: number } =>
    states.get(key) ?? { status: 'dead', sequence: 0 };
  const fits = (event: GoEvent): boolean => {
    const transition = transitionOf(event);
    if (!transition) return true;
    const { status, sequence } = stateOf(transition.key);
    return status === transition.from && (transition.sequence ?? sequence) === sequence;
  };
  const queues = [...batches.values()].map((events) => ({ events, next: 0 }));
  const all: GoEvent[] = [];
  for (;;) {
    const waiting = queues.filter(({ events, next }) => next < events.length);
    if (waiting.length === 0) return all;
    const ready = waiting.filter(({ events, next }) => fits(events[next]!));
    if (ready.length === 0) fail('no consistent order of the events');
    const first = ready.reduce((a, b) => (b.events[b.next]!.time < a.events[a.next]!.time ? b : a));
    const event = first.events[first.next++]!;
    if (event.time < (all.at(-1)?.time ?? 0)) fail(`times fall at ${event.type}`);
    const transition = transitionOf(event);
    if (transition) {
      const { sequence } = stateOf(transition.key);
      const counts = transition.sequence !== undefined;
      states.set(transition.key, { status: transition.to, sequence: counts ? sequence + 1 : sequence });
    }
    all.push(event);
  }
}

interface State {
  status: Status;
  /** When that began, and by which event. */
  since: number;
  by: EventName;
  readonly regions: { readonly region: GoRegion; readonly task: number; readonly name: number }[];
}

/** Goes through the events in order, and checks that each is possible. */
class Replay {
  private readonly states = new Map<number, State>();
  private readonly goroutines = new Map<number, GoGoroutine>();
  /** What runs, by P; 0: nothing. Without a P that is not on. */
  private readonly procs = new Map<number, number>();
  private readonly threads = new Map<number, number>();
  /** Ps that a goroutine left in a system call. */
  private readonly inCall = new Set<number>();
  private readonly openTasks = new Map<number, GoTask>();
  private readonly tasks: GoTask[] = [];
  private readonly regions: GoRegion[] = [];
  private readonly logs: GoLog[] = [];
  private readonly collections: GoCollection[] = [];
  private readonly heap: { time: number; bytes: number }[] = [];

  constructor(
    private readonly events: readonly GoEvent[],
    private readonly rawSamples: readonly GoEvent[],
    private readonly strings: ReadonlyMap<number, string>,
    private readonly stacks: ReadonlyMap<number, readonly GoFrame[]>,
  ) {}

  trace(): GoTrace {
    if (this.events[0]?.type !== 'Gomaxprocs') fail(`begins with ${this.events[0]?.type}`);
    for (const event of this.events) this.replay(event);
    for (const [p, g] of this.procs)
      if (g !== 0) fail(`${g} runs on P ${p} until the end: Go 1.19 ends with a panic`);
    const samples = this.rawSamples.map((sample): GoSample => this.sample(sample));
    const { events, strings, stacks, goroutines, tasks, regions, logs, collections, heap, threads } = this;
    return { events, strings, stacks, goroutines, tasks, regions, logs, collections, heap, threads, samples };
  }

  private replay(event: GoEvent): void {
    const { type, time, p, g, args } = event;
    // Go 1.23 shows no running before the call otherwise, or ends with a panic.
    if (this.inCall.delete(p) && type !== 'ProcStop')
      fail(`${type} on P ${p} between GoSysBlock and ProcStop`);
    if (type === 'GoSysBlock') this.inCall.add(p);
    if (type.startsWith('Go') && type !== 'Gomaxprocs') return this.ofGoroutine(event);
    if (type.startsWith('User')) return this.annotation(event);
    if (type === 'ProcStart') {
      if (this.procs.has(p)) fail(`P ${p} starts twice`);
      this.procs.set(p, 0);
      this.threads.set(p, args[0]!);
    } else if (type === 'ProcStop') {
      if (this.procs.get(p) !== 0) fail(`P ${p} stops while ${g} runs`);
      this.procs.delete(p);
    } else if (type === 'GCStart') {
      if (this.collections.at(-1)?.end === undefined && this.collections.length > 0)
        fail('collections overlap');
      this.collections.push({ begin: time, end: undefined });
    } else if (type === 'GCDone') {
      const collection = this.collections.at(-1);
      if (!collection || collection.end !== undefined) fail('GCDone without GCStart');
      collection.end = time;
    } else if (type === 'HeapAlloc') this.heap.push({ time, bytes: args[0]! });
  }

  private ofGoroutine(event: GoEvent): void {
    const { type, time, p, g, args } = event;
    if (type !== 'GoSysExit' && !this.procs.has(p)) fail(`${type} on P ${p}, which is not on`);
    if (type === 'GoCreate') return this.create(event);
    if (type === 'GoUnblock' || type === 'GoSysExit') {
      if (type === 'GoUnblock' && this.procs.get(p) !== g) fail(`${g} does not run at its GoUnblock`);
      const { by } = this.stateOf(args[0]!);
      if ((by === 'GoSysBlock') !== (type === 'GoSysExit')) fail(`${type} after ${by}`);
      return this.become(args[0]!, 'waiting', 'runnable', event);
    }
    if (type === 'GoStart') {
      if (this.procs.get(p) !== 0) fail(`${g} starts on P ${p} while ${this.procs.get(p)} runs`);
      this.procs.set(p, g);
      return this.become(g, 'runnable', 'running', event);
    }
    if (g === 0 || this.procs.get(p) !== g) fail(`${type} of ${g}, which does not run on P ${p}`);
    if (type === 'GoSysCall') return;
    this.procs.set(p, 0);
    if (type === 'GoEnd') {
      this.goroutines.get(g)!.ended = time;
      for (const { region } of this.stateOf(g).regions.splice(0)) region.end = time;
    }
    this.become(g, 'running', type === 'GoEnd' ? 'dead' : YIELDS.has(type) ? 'runnable' : 'waiting', event);
  }

  private create({ type, time, p, g, args }: GoEvent): void {
    const [created, start] = args as [number, number];
    if (this.procs.get(p) !== g) fail(`${g} does not run at its GoCreate`);
    if (created === 0 || this.states.has(created)) fail(`goroutine ${created} exists`);
    const frames = this.stacks.get(start);
    if (!frames) fail(`no start function of ${created}: the pages of go tool trace end with a panic`);
    // Go 1.19 names goroutines by the innermost frame, Go 1.23 by the outermost one.
    if (frames.length !== 1) fail(`the start of ${created} has ${frames.length} frames`);
    this.states.set(created, { status: 'runnable', since: time, by: type, regions: [] });
    const goroutine = {
      name: frames[0]!.name,
      created: time,
      ended: undefined,
      running: 0,
      runnable: 0,
      waits: {},
    };
    this.goroutines.set(created, goroutine);
  }

  private become(g: number, from: Status, to: Status, { type, time }: GoEvent): void {
    const state = this.stateOf(g);
    if (state.status !== from) fail(`${type} of ${g}, which is ${state.status}`);
    const goroutine = this.goroutines.get(g)!;
    const spent = time - state.since;
    if (from === 'waiting') {
      const wait = (goroutine.waits[state.by] ??= { count: 0, time: 0 });
      wait.count++;
      wait.time += spent;
    } else goroutine[from === 'running' ? 'running' : 'runnable'] += spent;
    Object.assign(state, { status: to, since: time, by: type });
  }

  private stateOf(g: number): State {
    return this.states.get(g) ?? fail(`goroutine ${g} is not created`);
  }

  private annotation(event: GoEvent): void {
    const { type, time, p, g, args } = event;
    if (g === 0 || this.procs.get(p) !== g) fail(`${type} of ${g}, which does not run`);
    if (type === 'UserRegion') return this.region(event);
    const [task] = args as [number];
    if (type === 'UserLog') {
      this.logs.push({ time, task, goroutine: g, key: this.stringOf(args[1]!), value: event.text });
    } else if (type === 'UserTaskCreate') {
      if (this.openTasks.has(task)) fail(`task ${task} exists`);
      const begun = {
        id: task,
        parent: args[1]!,
        name: this.stringOf(args[2]!),
        goroutine: g,
        begin: time,
        end: undefined,
      };
      this.openTasks.set(task, begun);
      this.tasks.push(begun);
    } else {
      const begun = this.openTasks.get(task) ?? fail(`task ${task} ends, but did not begin`);
      begun.end = time;
      this.openTasks.delete(task);
    }
  }

  private region({ time, g, args, stack }: GoEvent): void {
    const [task, mode, name] = args as [number, number, number];
    if (!this.stacks.has(stack)) fail('a region without a stack: Go 1.19 shows no annotations then');
    const { regions } = this.stateOf(g);
    if (mode === 0) {
      const region = { name: this.stringOf(name), task, goroutine: g, begin: time, end: undefined };
      regions.push({ region, task, name });
      this.regions.push(region);
      return;
    }
    const innermost = regions.pop() ?? fail(`a region of ${g} ends, but did not begin`);
    if (mode !== 1 || innermost.task !== task || innermost.name !== name) fail(`regions of ${g} do not nest`);
    innermost.region.end = time;
  }

  private sample({ time, p, g: goroutine, stack }: GoEvent): GoSample {
    // Go 1.19 takes a goroutine that was sampled before its creation, or at the same time, for one that exists.
    if (goroutine !== 0 && !(this.createdAt(goroutine) < time))
      fail(`a sample of ${goroutine} before it is created`);
    return { time, p, goroutine, stack: (this.stacks.get(stack) ?? []).map(({ name }) => name) };
  }

  private createdAt(goroutine: number): number {
    return this.goroutines.get(goroutine)?.created ?? Number.POSITIVE_INFINITY;
  }

  private stringOf(id: number): string {
    return this.strings.get(id) ?? fail(`string ${id} is missing`);
  }
}
