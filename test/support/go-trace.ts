/**
 * A reader of Go's execution traces (the format of Go 1.11 to 1.21), written from its description. It knows nothing of
 * the code that writes them, and insists on all that Go's readers insist on.
 */

/** An event, with its place in the trace. */
export interface GoTraceEvent {
  readonly type: string;
  /** Nanoseconds since the first event. */
  readonly at: number;
  /** -1: on none. */
  readonly p: number;
  /** Who ran there; 0: nobody. */
  readonly g: number;
  readonly args: readonly number[];
  readonly text?: string | undefined;
  readonly stack: readonly GoTraceFrame[];
}

export interface GoTraceFrame {
  readonly pc: number;
  readonly functionName: string;
  readonly file: string;
  readonly line: number;
}

interface RawEvent {
  readonly type: string;
  readonly ticks: number;
  readonly p: number;
  readonly g: number;
  readonly args: readonly number[];
  readonly text?: string | undefined;
  readonly stackId: number;
}

/** Name, arguments after the time, and whether the last of them is a stack. */
const EVENTS: Readonly<Record<number, readonly [name: string, args: number, hasStack?: boolean]>> = {
  4: ['Gomaxprocs', 2, true],
  5: ['ProcStart', 1],
  6: ['ProcStop', 0],
  7: ['GCStart', 2, true],
  8: ['GCDone', 0],
  9: ['STWStart', 1],
  10: ['STWDone', 0],
  13: ['GoCreate', 3, true],
  14: ['GoStart', 2],
  15: ['GoEnd', 0],
  16: ['GoStop', 1, true],
  17: ['GoSched', 1, true],
  18: ['GoPreempt', 1, true],
  19: ['GoSleep', 1, true],
  20: ['GoBlock', 1, true],
  21: ['GoUnblock', 3, true],
  22: ['GoBlockSend', 1, true],
  23: ['GoBlockRecv', 1, true],
  24: ['GoBlockSelect', 1, true],
  25: ['GoBlockSync', 1, true],
  26: ['GoBlockCond', 1, true],
  27: ['GoBlockNet', 1, true],
  28: ['GoSysCall', 1, true],
  29: ['GoSysExit', 3],
  30: ['GoSysBlock', 0],
  31: ['GoWaiting', 1],
  32: ['GoInSyscall', 1],
  33: ['HeapAlloc', 1],
  34: ['HeapGoal', 1],
  41: ['GoStartLabel', 3],
  45: ['UserTaskCreate', 4, true],
  46: ['UserTaskEnd', 2, true],
  47: ['UserRegion', 4, true],
  48: ['UserLog', 3, true],
  49: ['CPUSample', 4, true],
};

const BLOCKS = new Set(
  ['Block', 'Sleep', 'BlockSend', 'BlockRecv', 'BlockSelect', 'BlockSync', 'BlockCond', 'BlockNet'].map(
    (kind) => `Go${kind}`,
  ),
);
const YIELDS = new Set(['GoSched', 'GoPreempt']);
const ENDS = new Set(['GoEnd', 'GoStop']);

/** What newer readers take for the numbers of one record. */
const LONGEST_RECORD = 2048;

/** A goroutine, as far as its events tell. Times in ns. */
export interface Goroutine {
  readonly id: number;
  /** Its function: the outermost frame of the stack it was created with. */
  readonly name: string;
  readonly created: number;
  readonly ended: number | undefined;
  readonly running: number;
  readonly runnable: number;
  /** By the event that began it, such as `GoBlockNet`; a system call is `GoSysCall`. */
  readonly waits: Readonly<Record<string, { readonly count: number; readonly total: number }>>;
}

/** A task or region that was begun. */
export interface GoAnnotation {
  readonly name: string;
  readonly g: number;
  readonly task: number;
  readonly parent: number;
  readonly begin: number;
  /** Undefined if the trace ended first. */
  readonly end: number | undefined;
}

/** What a trace tells. */
export interface GoTrace {
  readonly version: string;
  /** In order of time. */
  readonly events: readonly GoTraceEvent[];
  readonly goroutines: readonly Goroutine[];
  readonly tasks: readonly GoAnnotation[];
  readonly regions: readonly GoAnnotation[];
  readonly logs: readonly {
    readonly at: number;
    readonly g: number;
    readonly task: number;
    readonly key: string;
    readonly text: string;
  }[];
  /** Thread ids by P. */
  readonly threads: ReadonlyMap<number, number>;
}

/**
 * Reads a trace, or what has come of one.
 *
 * @throws Error at the first thing that Go's readers would not take
 */
export function readGoTrace(bytes: Uint8Array): GoTrace {
  const raw = new RecordReader(bytes).read();
  const ordered = inOrder(raw);
  const first = ordered.length > 0 ? ordered[0]!.ticks : 0;
  const events = ordered.map(({ type, ticks, p, g, args, text, stackId }) => ({
    type,
    at: Math.floor((ticks - first) * (1e9 / raw.frequency)),
    p,
    g,
    args,
    text,
    stack: raw.stacks.get(stackId) ?? [],
  }));
  return { version: raw.version, events, ...new Follower(raw).follow(events) };
}

interface Raw {
  readonly version: string;
  readonly frequency: number;
  readonly strings: ReadonlyMap<number, string>;
  readonly stacks: ReadonlyMap<number, readonly GoTraceFrame[]>;
  readonly batches: ReadonlyMap<number, readonly RawEvent[]>;
}

/** Bytes to records. */
class RecordReader {
  private position = 16;
  private readonly strings = new Map<number, string>();
  private readonly rawStacks = new Map<number, readonly number[]>();
  private readonly batches = new Map<number, RawEvent[]>();
  private readonly samples: RawEvent[] = [];
  private readonly runningOn = new Map<number, number>();
  private p: number | undefined;
  private ticks = 0;
  private frequency = 0;

  constructor(private readonly bytes: Uint8Array) {}

  read(): Raw {
    const header = Buffer.from(this.bytes.subarray(0, 16)).toString('latin1');
    const [, version] = /^go (1\.\d+) trace\0+$/.exec(header) ?? [];
    check(version !== undefined && header.length === 16, 'no header');
    while (this.position < this.bytes.length) this.record();
    check(this.frequency > 0, 'no frequency');
    this.samples.sort((a, b) => a.ticks - b.ticks);
    return {
      version: version!,
      frequency: this.frequency,
      strings: this.strings,
      stacks: this.resolveStacks(),
      batches: new Map([...this.batches, [Infinity, this.samples]]),
    };
  }

  private record(): void {
    const first = this.byte();
    const type = first & 63;
    const count = first >> 6;
    if (type === 37) return this.string();
    if (type === 1) {
      check(count === 1, 'a batch has two numbers');
      return this.batch();
    }
    check(this.p !== undefined, 'a record before the first batch');
    const numbers = count < 3 ? this.numbers(count + 1) : this.longNumbers();
    if (type === 2) {
      check(numbers.length === 1, 'frequency is one number');
      this.frequency = numbers[0]!;
    } else if (type === 3) {
      this.stack(numbers);
    } else {
      this.event(type, numbers);
    }
  }

  private string(): void {
    const id = this.number();
    check(id !== 0, 'a string has number 0');
    check(!this.strings.has(id), `string ${id} comes twice`);
    const text = this.text();
    check(text.length > 0, `string ${id} is empty`);
    this.strings.set(id, text);
  }

  private batch(): void {
    let p = this.bigNumber();
    if (p === 2n ** 64n - 1n) p = -1n;
    check(p < 2n ** 31n, `no P: ${p}`);
    this.p = Number(p);
    this.ticks = this.number();
  }

  private stack(numbers: readonly number[]): void {
    const [id, depth, ...frames] = numbers;
    check(id! > 0 && id! < 2 ** 32, `stack number ${id}`);
    check(depth! > 0 && depth! <= 1000 && frames.length === depth! * 4, `stack ${id}: ${depth} frames`);
    check(!this.rawStacks.has(id!), `stack ${id} comes twice`);
    this.rawStacks.set(id!, frames);
  }

  private event(number: number, [time, ...args]: readonly number[]): void {
    const known = EVENTS[number];
    check(known !== undefined, `no such event: ${number}`);
    const [type, count, hasStack = false] = known!;
    check(args.length === count, `${type} has ${args.length} arguments`);
    this.ticks += time!;
    const p = this.p!;
    if (type === 'GoStart' || type === 'GoStartLabel') this.runningOn.set(p, args[0]!);
    const isOfAnother = type === 'GoWaiting' || type === 'GoInSyscall' || type === 'GoSysExit';
    const g = isOfAnother ? args[0]! : (this.runningOn.get(p) ?? 0);
    const stackId = hasStack ? args.at(-1)! : 0;
    const text = type === 'UserLog' ? this.text() : undefined;
    if (BLOCKS.has(type) || YIELDS.has(type) || ENDS.has(type) || type === 'GoSysBlock') {
      this.runningOn.set(p, 0);
    }
    if (type === 'CPUSample') {
      const [ticks, sampledP, sampledG] = args;
      this.samples.push({ type, ticks: ticks!, p: sampledP!, g: sampledG!, args, stackId });
      return;
    }
    const batch = this.batches.get(p) ?? [];
    this.batches.set(p, batch);
    batch.push({ type, ticks: this.ticks, p, g, args, text, stackId });
  }

  private resolveStacks(): Map<number, GoTraceFrame[]> {
    const known = new Map<number, string>();
    const stacks = new Map<number, GoTraceFrame[]>();
    for (const [id, numbers] of this.rawStacks) {
      const frames: GoTraceFrame[] = [];
      for (let i = 0; i < numbers.length; i += 4) {
        const [pc, name, file, line] = numbers.slice(i, i + 4) as [number, number, number, number];
        for (const string of [name, file]) {
          check(string === 0 || this.strings.has(string), `stack ${id}: no string ${string}`);
        }
        const frame = {
          pc,
          functionName: this.strings.get(name) ?? '',
          file: this.strings.get(file) ?? '',
          line,
        };
        const place = JSON.stringify([frame.functionName, frame.file, line]);
        check((known.get(pc) ?? place) === place, `pc ${pc} has two places`);
        known.set(pc, place);
        frames.push(frame);
      }
      stacks.set(id, frames);
    }
    return stacks;
  }

  private numbers(count: number): number[] {
    return Array.from({ length: count }, () => this.number());
  }

  private longNumbers(): number[] {
    const length = this.number();
    check(length <= LONGEST_RECORD, `a record of ${length} bytes`);
    const end = this.position + length;
    const numbers: number[] = [];
    while (this.position < end) numbers.push(this.number());
    check(this.position === end, 'a record of another length');
    return numbers;
  }

  private text(): string {
    const length = this.number();
    check(length <= 1e6, `a text of ${length} bytes`);
    check(this.position + length <= this.bytes.length, 'the trace is cut off');
    this.position += length;
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
      this.bytes.subarray(this.position - length, this.position),
    );
  }

  private number(): number {
    const number = Number(this.bigNumber());
    check(Number.isSafeInteger(number), `${number} is too large`);
    return number;
  }

  private bigNumber(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.byte();
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
    throw new Error('a number has more than ten bytes');
  }

  private byte(): number {
    check(this.position < this.bytes.length, 'the trace is cut off');
    return this.bytes[this.position++]!;
  }
}

interface Standing {
  readonly seq: number;
  readonly state: 'none' | 'runnable' | 'running' | 'waiting';
}

/** What a goroutine must be for an event, and what it is then. */
function transition({ type, g, args }: RawEvent): { of: number; from: Standing; to: Standing } | undefined {
  const any = Number.NaN;
  if (type === 'GoCreate') {
    return { of: args[0]!, from: { seq: 0, state: 'none' }, to: { seq: 1, state: 'runnable' } };
  }
  if (type === 'GoWaiting' || type === 'GoInSyscall') {
    return { of: g, from: { seq: 1, state: 'runnable' }, to: { seq: 2, state: 'waiting' } };
  }
  const seq = args[1]!;
  if (type === 'GoStart' || type === 'GoStartLabel') {
    return { of: g, from: { seq, state: 'runnable' }, to: { seq: seq + 1, state: 'running' } };
  }
  if (type === 'GoUnblock' || type === 'GoSysExit') {
    return { of: args[0]!, from: { seq, state: 'waiting' }, to: { seq: seq + 1, state: 'runnable' } };
  }
  if (BLOCKS.has(type) || type === 'GoSysBlock') {
    return { of: g, from: { seq: any, state: 'running' }, to: { seq: any, state: 'waiting' } };
  }
  if (YIELDS.has(type)) {
    return { of: g, from: { seq: any, state: 'running' }, to: { seq: any, state: 'runnable' } };
  }
  return undefined;
}

/** Merges the batches: of the events that can be next, always the earliest. */
function inOrder({ batches }: Raw): RawEvent[] {
  const rows = [...batches.values()].map((events) => ({ events, next: 0 }));
  const standings = new Map<number, Standing>();
  const ordered: RawEvent[] = [];
  let collections = 0;
  const standing = (g: number): Standing => standings.get(g) ?? { seq: 0, state: 'none' };
  const canBe = (event: RawEvent): boolean => {
    if (event.type === 'GCStart') return event.args[0] === collections;
    const step = transition(event);
    if (step === undefined) return true;
    const { seq, state } = standing(step.of);
    return state === step.from.state && (Number.isNaN(step.from.seq) || step.from.seq === seq);
  };
  for (;;) {
    const open = rows.filter(({ events, next }) => next < events.length);
    if (open.length === 0) return ordered;
    const ready = open.filter(({ events, next }) => canBe(events[next]!));
    check(ready.length > 0, `no order: ${JSON.stringify(open.map(({ events, next }) => events[next]))}`);
    const row = ready.reduce((a, b) => (b.events[b.next]!.ticks < a.events[a.next]!.ticks ? b : a));
    const event = row.events[row.next++]!;
    check(ordered.length === 0 || ordered.at(-1)!.ticks <= event.ticks, `time goes back at ${event.type}`);
    const step = transition(event);
    if (step) {
      const { seq, state } = step.to;
      standings.set(step.of, { seq: Number.isNaN(seq) ? standing(step.of).seq : seq, state });
    }
    if (event.type === 'GCStart') collections++;
    ordered.push(event);
  }
}

interface OpenAnnotation {
  readonly name: string;
  readonly nameId: number;
  readonly g: number;
  readonly task: number;
  readonly parent: number;
  readonly begin: number;
  end?: number;
}

interface Followed {
  readonly id: number;
  readonly name: string;
  readonly created: number;
  ended?: number;
  state: Standing['state'] | 'dead';
  since: number;
  running: number;
  runnable: number;
  waitsFor: string;
  readonly waits: Record<string, { count: number; total: number }>;
  readonly regions: OpenAnnotation[];
}

/** Goes through the trace, and holds what runs where. */
class Follower {
  private readonly goroutines = new Map<number, Followed>();
  private readonly on = new Map<number, number>();
  private readonly started = new Map<number, number>();
  private readonly threads = new Map<number, number>();
  private readonly tasks = new Map<number, OpenAnnotation>();
  private readonly allTasks: OpenAnnotation[] = [];
  private readonly allRegions: OpenAnnotation[] = [];
  private readonly logs: GoTrace['logs'][number][] = [];
  private procs = 0;
  private isCollecting = false;
  private stopper: { readonly g: number; readonly p: number } | undefined;

  constructor(private readonly raw: Raw) {}

  follow(events: readonly GoTraceEvent[]): Omit<GoTrace, 'version' | 'events'> {
    for (const event of events) this.step(event);
    const end = events.at(-1)?.at ?? 0;
    // Go's timeline cannot draw what has no end.
    for (const [p, g] of this.on) check(g === 0, `P ${p} runs ${g} to the end`);
    check(!this.isCollecting && this.stopper === undefined, 'a collection does not end');
    return {
      goroutines: [...this.goroutines.values()].map((g) => {
        if (g.state !== 'dead') this.settle(g, end);
        return { ...g, ended: g.ended };
      }),
      tasks: this.allTasks.map((task) => ({ ...task, end: task.end })),
      regions: this.allRegions.map((region) => ({ ...region, end: region.end })),
      logs: this.logs,
      threads: this.threads,
    };
  }

  private step(event: GoTraceEvent): void {
    const { type, p, g, args, at, stack } = event;
    if (type === 'CPUSample') {
      check(stack.length > 0, 'a sample has no stack');
      check(g === 0 || this.goroutines.has(g), `a sample of ${g}, which is not there`);
      return;
    }
    check(p < this.procs || p === -1 || type === 'Gomaxprocs', `${type} on P ${p} of ${this.procs}`);
    if (BLOCKS.has(type)) {
      check(stack.length > 0, `${type} has no stack`);
      return this.leave(event, 'waiting', type);
    }
    if (YIELDS.has(type)) return this.leave(event, 'runnable');
    switch (type) {
      case 'Gomaxprocs':
        this.procs = args[0]!;
        return;
      case 'ProcStart':
        check(!this.started.has(p), `P ${p} starts twice`);
        this.started.set(p, args[0]!);
        this.threads.set(p, args[0]!);
        return;
      case 'ProcStop':
        check(this.started.delete(p), `P ${p} stops, and has not started`);
        check(this.runs(p) === 0, `P ${p} stops while ${this.runs(p)} runs`);
        return;
      case 'GCStart':
        check(!this.isCollecting, 'two collections');
        this.isCollecting = true;
        return;
      case 'GCDone':
        check(this.isCollecting, 'no collection');
        this.isCollecting = false;
        return;
      case 'STWStart':
        check(this.stopper === undefined, 'the world is stopped twice');
        check(this.runs(p) > 0, 'the world stops where nothing runs');
        check(args[0]! <= 1, 'no such reason');
        this.stopper = { g: this.runs(p), p };
        return;
      case 'STWDone':
        check(this.stopper?.g === this.runs(p) && this.stopper.p === p, 'the world goes on by another');
        this.stopper = undefined;
        return;
      case 'GoCreate': {
        check(!this.goroutines.has(args[0]!), `${args[0]} is created twice`);
        const start = this.raw.stacks.get(args[1]!);
        check(start !== undefined, `${args[0]} has no function`);
        this.goroutines.set(args[0]!, {
          id: args[0]!,
          name: start!.at(-1)!.functionName,
          created: at,
          state: 'runnable',
          since: at,
          running: 0,
          runnable: 0,
          waitsFor: '',
          waits: {},
          regions: [],
        });
        return;
      }
      case 'GoStart':
      case 'GoStartLabel': {
        const one = this.goroutine(g);
        check(one.state === 'runnable', `${g} starts and is ${one.state}`);
        check(this.runs(p) === 0, `${g} starts on P ${p}, which runs ${this.runs(p)}`);
        check(this.started.has(p), `${g} starts on P ${p}, which has stopped`);
        this.become(one, 'running', at);
        this.on.set(p, g);
        return;
      }
      case 'GoEnd':
      case 'GoStop': {
        const one = this.running(event);
        this.settle(one, at);
        one.state = 'dead';
        one.ended = at;
        this.on.set(p, 0);
        return;
      }
      case 'GoUnblock': {
        check(g === this.runs(p), `${g} wakes on P ${p}, which runs ${this.runs(p)}`);
        check(stack.length > 0, 'a wake has no stack');
        const one = this.goroutine(args[0]!);
        check(one.state === 'waiting' && one.waitsFor !== 'GoSysCall', `${one.id} is woken and ${one.state}`);
        this.become(one, 'runnable', at);
        return;
      }
      case 'GoSysCall':
        check(stack.length > 0, 'a system call has no stack');
        this.running(event).waitsFor = 'GoSysCall';
        return;
      case 'GoSysBlock':
        check(this.running(event).waitsFor === 'GoSysCall', `${g} blocks in no system call`);
        return this.leave(event, 'waiting', 'GoSysCall');
      case 'GoSysExit': {
        const one = this.goroutine(g);
        check(one.state === 'waiting' && one.waitsFor === 'GoSysCall', `${g} leaves no system call`);
        this.become(one, 'runnable', at);
        return;
      }
      case 'GoWaiting':
      case 'GoInSyscall':
        return this.become(this.goroutine(g), 'waiting', at, type);
      default:
        this.annotation(event);
    }
  }

  private annotation(event: GoTraceEvent): void {
    const { type, g, args, at, text } = event;
    const name = (id: number): string => {
      check(id === 0 || this.raw.strings.has(id), `${type}: no string ${id}`);
      return this.raw.strings.get(id) ?? '';
    };
    switch (type) {
      case 'UserTaskCreate': {
        this.running(event);
        const [task, parent, nameId] = args as [number, number, number];
        check(!this.tasks.has(task), `task ${task} begins twice`);
        const begun = { name: name(nameId), nameId, g, task, parent, begin: at };
        this.tasks.set(task, begun);
        this.allTasks.push(begun);
        return;
      }
      case 'UserTaskEnd': {
        this.running(event);
        const task = this.tasks.get(args[0]!);
        check(task !== undefined, `task ${args[0]} ends, and did not begin`);
        this.tasks.delete(args[0]!);
        task!.end = at;
        return;
      }
      case 'UserRegion': {
        const { regions } = this.running(event);
        const [task, mode, nameId] = args as [number, number, number];
        check(mode === 0 || mode === 1, `region mode ${mode}`);
        if (mode === 0) {
          const region = { name: name(nameId), nameId, g, task, parent: 0, begin: at };
          regions.push(region);
          this.allRegions.push(region);
        } else {
          const region = regions.pop();
          check(region !== undefined, 'a region ends, and did not begin');
          check(
            region!.task === task && region!.nameId === nameId,
            `${region!.name} ends as ${name(nameId)}`,
          );
          region!.end = at;
        }
        return;
      }
      case 'UserLog':
        this.running(event);
        this.logs.push({ at, g, task: args[0]!, key: name(args[1]!), text: text! });
    }
  }

  private leave(event: GoTraceEvent, state: 'runnable' | 'waiting', waitsFor = ''): void {
    const one = this.running(event);
    check(this.stopper?.g !== one.id, `${one.id} stops while it has stopped the world`);
    this.become(one, state, event.at, waitsFor);
    this.on.set(event.p, 0);
  }

  private become(one: Followed, state: Standing['state'], at: number, waitsFor = ''): void {
    this.settle(one, at);
    one.state = state;
    one.since = at;
    one.waitsFor = waitsFor;
    if (state === 'waiting') (one.waits[waitsFor] ??= { count: 0, total: 0 }).count++;
  }

  private settle(one: Followed, at: number): void {
    const time = at - one.since;
    if (one.state === 'running') one.running += time;
    if (one.state === 'runnable') one.runnable += time;
    if (one.state === 'waiting') one.waits[one.waitsFor]!.total += time;
  }

  private running({ type, g, p }: GoTraceEvent): Followed {
    const one = this.goroutine(g);
    check(one.state === 'running', `${type} of ${g}, which is ${one.state}`);
    check(this.runs(p) === g, `${type} of ${g} on P ${p}, which runs ${this.runs(p)}`);
    return one;
  }

  private goroutine(g: number): Followed {
    const one = this.goroutines.get(g);
    check(one !== undefined, `there is no ${g}`);
    return one!;
  }

  private runs(p: number): number {
    return this.on.get(p) ?? 0;
  }
}

function check(holds: boolean, what: string): void {
  if (!holds) throw new Error(`Go would not read this trace: ${what}`);
}
