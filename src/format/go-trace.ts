import type { TraceEvent, TraceFrame, WaitCause } from './trace-event.js';

type Of<Type extends TraceEvent['type']> = Extract<TraceEvent, { readonly type: Type }>;
type OnThread = Exclude<Extract<TraceEvent, { readonly thread: number }>, Of<'thread' | 'sample'>>;

/** Go 1.19 is the first version with CPU samples; all later readers support it. */
const HEADER = 'go 1.19 trace\0\0\0';

/** Numbers of Go's events. */
const Ev = {
  Batch: 1,
  Frequency: 2,
  Stack: 3,
  Gomaxprocs: 4,
  ProcStart: 5,
  ProcStop: 6,
  GCStart: 7,
  GCDone: 8,
  GoCreate: 13,
  GoStart: 14,
  GoEnd: 15,
  GoSched: 17,
  GoPreempt: 18,
  GoSleep: 19,
  GoUnblock: 21,
  GoBlockRecv: 23,
  GoBlockSelect: 24,
  GoBlockNet: 27,
  GoSysCall: 28,
  GoSysExit: 29,
  GoSysBlock: 30,
  HeapAlloc: 33,
  String: 37,
  UserTaskCreate: 45,
  UserTaskEnd: 46,
  UserRegion: 47,
  UserLog: 48,
  CPUSample: 49,
} as const;

const WAITS: Readonly<Record<WaitCause, number>> = {
  network: Ev.GoBlockNet,
  timer: Ev.GoSleep,
  promise: Ev.GoBlockRecv,
  select: Ev.GoBlockSelect,
  syscall: Ev.GoSysCall,
  yield: Ev.GoSched,
};

/** Size of a batch in bytes, unless one record needs more. */
const BATCH = 64 * 1024;
/** Maximum size of a record without strings and frames, and of the start of a batch. */
const RECORD = 64;
/** Go 1.22 and later reject a stack of more than 2048 bytes. A frame has at most 20. */
const MOST_FRAMES = 100;
const FRAME = 20;
/** Maximum length of a string, with at most three bytes per character: Go rejects more than 1,000,000 bytes. */
const MOST_CHARACTERS = 333_333;
/** A longer string may need more than one byte for its length. */
const SHORT = 42;
/** Number of cached strings, so that they are not written twice. */
const MOST_STRINGS = 4096;

const TICKS_PER_SECOND = 1_000_000_000;
const UNKNOWN = '(unknown)';
/** Not 0, which Go 1.19 interprets as an unknown address. */
const NO_ADDRESS = 1;
const UNKNOWN_FRAMES: readonly TraceFrame[] = [{ address: NO_ADDRESS, name: UNKNOWN, filename: '', line: 0 }];

const encoder = new TextEncoder();

interface Goroutine {
  /** Sequence number of its starts and wakes, by which readers merge the threads. */
  sequence: number;
  /** From the start of the wait until it runs again. */
  isInSyscall: boolean;
  /** Id of its start function's stack. */
  readonly start: number;
}

interface Region {
  readonly task: number;
  readonly name: number;
}

/**
 * Writes an execution trace in Go's format of version 1.19, for `go tool trace` of Go 1.19 and later.
 *
 * It requires events in the order of a `TraceOrder`, and at least one goroutine, without which Go 1.22 and later fail. Each thread is a
 * P. Names and stacks may be defined after their use, until `finish`; those that are not defined become `(unknown)`. Strings are
 * truncated to 333,333 characters, stacks to 100 frames: the innermost ones, and the outermost one, which is the start function.
 * Readers consider frames with the same address to be the same frame.
 */
export class GoTraceWriter {
  private readonly finished: Uint8Array[] = [encoder.encode(HEADER)];
  /** Batch for everything that belongs to no thread: strings, stacks, collections, samples. */
  private readonly common = new Batches(undefined, this.finished);
  /** Batches by thread. */
  private readonly threads: Batches[] = [];
  private readonly strings = new Strings(this.common);
  private readonly goroutines = new Map<number, Goroutine>();
  /** Running goroutine by thread. */
  private readonly running: (Goroutine | undefined)[] = [];
  /** Ids of the threads. */
  private readonly ids: number[] = [];
  private readonly regions = new Map<number, Region>();
  private readonly names = new Definitions();
  private readonly starts = new Definitions();
  private begin: number | undefined;
  private procs = 1;
  private collections = 0;

  constructor() {
    this.common.frequency(TICKS_PER_SECOND);
    // Go 1.22 and later assume that everything before this event existed before the trace, without a name.
    this.common.event(Ev.Gomaxprocs, 0, 2, this.procs);
    this.defineStart(0, []);
  }

  add(event: TraceEvent): void {
    switch (event.type) {
      case 'name':
        if (this.names.define(event.id)) this.common.string(nameId(event.id), event.text || UNKNOWN);
        return;
      case 'stack':
        return this.stack(event);
      case 'collection':
        return this.collection(event);
      case 'sample':
        return this.sample(event);
      case 'thread':
        return this.thread(event);
      default:
        return this.onThread(event, this.threads[event.thread]!, this.ticks(event.time));
    }
  }

  /** The bytes since the last call, in complete batches: readers accept a file that ends here. */
  take(): Uint8Array[] {
    this.finishBatches();
    return this.finished.splice(0);
  }

  /** Ends the trace: nothing may be added afterwards. */
  finish(): void {
    // If something were still running at the end, Go 1.19 would panic because of the missing stop.
    this.running.forEach(
      (running, thread) => running && this.threads[thread]!.event(Ev.GoPreempt, undefined, 1),
    );
    for (const id of this.names.missing()) this.common.string(nameId(id), UNKNOWN);
    for (const id of this.starts.missing()) this.defineStart(id, []);
    this.finishBatches();
  }

  private finishBatches(): void {
    for (const batches of [this.common, ...this.threads]) batches?.finish();
  }

  private onThread(event: OnThread, batches: Batches, time: number): void {
    switch (event.type) {
      case 'thread-end':
        return batches.event(Ev.ProcStop, time, 0);
      case 'create':
        return this.create(event, batches, time);
      case 'run':
        return this.run(event, batches, time);
      case 'wait':
        return this.wait(event, batches, time);
      case 'preempt':
        this.running[event.thread] = undefined;
        return batches.event(Ev.GoPreempt, time, 1);
      case 'wake':
        return this.wake(event, batches, time);
      case 'end':
        this.running[event.thread] = undefined;
        this.goroutines.delete(event.goroutine);
        return batches.event(Ev.GoEnd, time, 0);
      case 'task':
        return batches.event(Ev.UserTaskCreate, time, 4, event.task, event.parent, this.nameOf(event.name));
      case 'task-end':
        return batches.event(Ev.UserTaskEnd, time, 2, event.task);
      case 'region':
        return this.region(event, batches, time);
      case 'region-end':
        return this.regionEnd(event, batches, time);
      case 'log':
        return batches.log(time, event.task, this.strings.idOf(event.key), event.value);
    }
  }

  private thread({ thread, time, id }: Of<'thread'>): void {
    const batches = (this.threads[thread] ??= new Batches(thread, this.finished));
    const ticks = this.ticks(time);
    if (thread >= this.procs) {
      this.procs = thread + 1;
      batches.event(Ev.Gomaxprocs, ticks, 2, this.procs);
    }
    this.ids[thread] = id;
    batches.event(Ev.ProcStart, ticks, 1, id);
  }

  private create({ goroutine, thread, start }: Of<'create'>, batches: Batches, time: number): void {
    const state: Goroutine = { sequence: 1, isInSyscall: false, start: startId(this.starts.use(start)) };
    this.goroutines.set(goroutine, state);
    batches.event(Ev.GoCreate, time, 3, goroutine, state.start, this.causer(thread, state));
  }

  private run({ goroutine, thread }: Of<'run'>, batches: Batches, time: number): void {
    const state = this.goroutines.get(goroutine)!;
    this.running[thread] = state;
    if (state.isInSyscall) {
      // For its profile of system calls, Go 1.23 requires that they end with an event that has a stack; GoSysExit has none.
      batches.event(Ev.GoStart, time, 2, goroutine, state.sequence++);
      batches.event(Ev.GoSched, time, 1, state.start);
      state.isInSyscall = false;
    }
    batches.event(Ev.GoStart, time, 2, goroutine, state.sequence++);
  }

  private wait({ goroutine, thread, cause, stack }: Of<'wait'>, batches: Batches, time: number): void {
    this.running[thread] = undefined;
    batches.event(WAITS[cause], time, 1, stackId(stack));
    if (cause !== 'syscall') return;
    batches.event(Ev.GoSysBlock, time, 0);
    // As if another thread took over Go's P. Without it, Go 1.23 does not show that the goroutine ran before the call.
    batches.event(Ev.ProcStop, time, 0);
    batches.event(Ev.ProcStart, time, 1, this.ids[thread]);
    this.goroutines.get(goroutine)!.isInSyscall = true;
  }

  private wake({ goroutine, thread }: Of<'wake'>, batches: Batches, time: number): void {
    const state = this.goroutines.get(goroutine)!;
    if (state.isInSyscall) batches.event(Ev.GoSysExit, time, 3, goroutine, state.sequence++);
    else batches.event(Ev.GoUnblock, time, 3, goroutine, state.sequence++, this.causer(thread, state));
  }

  /** The stack that makes a goroutine runnable. It must not be empty: Go 1.23 doesn't end a wait by a wake without a stack. */
  private causer(thread: number, goroutine: Goroutine): number {
    return (this.running[thread] ?? goroutine).start;
  }

  private nameOf(name: number): number {
    return name === 0 ? this.strings.idOf(UNKNOWN) : nameId(this.names.use(name));
  }

  private region(event: Of<'region'>, batches: Batches, time: number): void {
    const region = { task: event.task, name: this.strings.idOf(event.name) };
    this.regions.set(event.region, region);
    this.regionEdge(0, region, event, batches, time);
  }

  private regionEnd(event: Of<'region-end'>, batches: Batches, time: number): void {
    const region = this.regions.get(event.region)!;
    this.regions.delete(event.region);
    this.regionEdge(1, region, event, batches, time);
  }

  /** Has a stack, without which Go 1.19 shows neither regions nor tasks. */
  private regionEdge(
    mode: 0 | 1,
    { task, name }: Region,
    { goroutine }: Of<'region' | 'region-end'>,
    batches: Batches,
    time: number,
  ): void {
    batches.event(Ev.UserRegion, time, 4, task, mode, name, this.goroutines.get(goroutine)!.start);
  }

  private collection({ time, end, before, after }: Of<'collection'>): void {
    const begin = this.ticks(time);
    if (before !== undefined) this.common.event(Ev.HeapAlloc, begin, 1, before);
    this.common.event(Ev.GCStart, begin, 2, this.collections++);
    this.common.event(Ev.GCDone, this.ticks(end), 0);
    if (after !== undefined) this.common.event(Ev.HeapAlloc, this.ticks(end), 1, after);
  }

  private sample({ time, thread, goroutine, stack }: Of<'sample'>): void {
    this.common.event(Ev.CPUSample, undefined, 4, this.ticks(time), thread, goroutine, stackId(stack));
  }

  private stack({ id, frames }: Of<'stack'>): void {
    if (!this.starts.define(id)) return;
    this.defineStart(id, frames.slice(-1));
    if (frames.length > 0) this.common.stack(stackId(id), this.framesOf(frames));
  }

  /** A stack with only the start function: of a longer one, Go 1.19 uses the innermost frame, and later versions the outermost one. */
  private defineStart(id: number, frames: readonly TraceFrame[]): void {
    this.common.stack(startId(id), this.framesOf(frames.length > 0 ? frames : UNKNOWN_FRAMES));
  }

  /** The numbers of the frames to write. */
  private framesOf(frames: readonly TraceFrame[]): number[] {
    const kept = frames.length > MOST_FRAMES ? [...frames.slice(0, MOST_FRAMES - 1), frames.at(-1)!] : frames;
    return kept.flatMap(({ address, name, filename, line }) => [
      address || NO_ADDRESS,
      this.strings.idOf(name),
      filename === '' ? 0 : this.strings.idOf(filename),
      line,
    ]);
  }

  private ticks(time: number): number {
    this.begin ??= time;
    return time - this.begin + 1;
  }
}

// Ids in the file. Names and stacks already have ids, which may be used before they are defined: they get the even ids.

function nameId(name: number): number {
  return 2 * name;
}

function stackId(stack: number): number {
  return 2 * stack;
}

function startId(stack: number): number {
  return 2 * stack + 1;
}

/** Tracks which ids are defined. */
class Definitions {
  private readonly isDefined = new Map<number, boolean>();

  use(id: number): number {
    if (!this.isDefined.has(id)) this.isDefined.set(id, false);
    return id;
  }

  /** @returns whether the id was not defined before */
  define(id: number): boolean {
    const isFirst = !this.isDefined.get(id);
    this.isDefined.set(id, true);
    return isFirst;
  }

  missing(): number[] {
    return [...this.isDefined].flatMap(([id, isDefined]) => (isDefined ? [] : [id]));
  }
}

/** Writes strings when they are first used. */
class Strings {
  private readonly ids = new Map<string, number>();
  private last = -1;

  constructor(private readonly batches: Batches) {}

  idOf(text: string): number {
    const known = this.ids.get(text);
    if (known !== undefined) return known;
    if (this.ids.size >= MOST_STRINGS) this.ids.clear();
    this.last += 2;
    this.ids.set(text, this.last);
    this.batches.string(this.last, text || UNKNOWN);
    return this.last;
  }
}

/** Writes records in consecutive batches. */
class Batches {
  private bytes = new Uint8Array(0);
  private position = 0;
  private time = 0;

  /**
   * @param thread undefined for records that belong to no thread
   * @param finished receives full batches
   */
  constructor(
    private readonly thread: number | undefined,
    private readonly finished: Uint8Array[],
  ) {}

  /**
   * Writes an event with up to four arguments after its time.
   *
   * @param time in ticks, not earlier than the previous one; undefined for the same time
   */
  event(type: number, time: number | undefined, count: number, a = 0, b = 0, c = 0, d = 0): void {
    this.reserve(RECORD);
    const delta = time === undefined ? 0 : time - this.time;
    this.time += delta;
    this.byte(type | (Math.min(count, 3) << 6));
    const start = this.position + 1;
    if (count > 2) this.position = start; // position of their length
    this.varint(delta);
    if (count > 0) this.varint(a);
    if (count > 1) this.varint(b);
    if (count < 3) return;
    this.varint(c);
    if (count > 3) this.varint(d);
    this.bytes[start - 1] = this.position - start;
  }

  log(time: number, task: number, key: number, value: string): void {
    const text = value.slice(0, MOST_CHARACTERS);
    this.reserve(RECORD + bytesOf(text));
    this.event(Ev.UserLog, time, 3, task, key);
    this.text(text);
  }

  string(id: number, value: string): void {
    const text = value.slice(0, MOST_CHARACTERS);
    this.reserve(RECORD + bytesOf(text));
    this.byte(Ev.String);
    this.varint(id);
    this.text(text);
  }

  /** @param frames four numbers each: address, name, file, line */
  stack(id: number, frames: readonly number[]): void {
    this.reserve(RECORD + (frames.length / 4) * FRAME);
    this.byte(Ev.Stack | (3 << 6));
    const start = this.position + 2;
    this.position = start;
    this.varint(id);
    this.varint(frames.length / 4);
    for (const number of frames) this.varint(number);
    this.length(start - 2, 2, this.position - start);
  }

  frequency(ticksPerSecond: number): void {
    this.reserve(RECORD);
    this.byte(Ev.Frequency);
    this.varint(ticksPerSecond);
  }

  finish(): void {
    if (this.position > 0) this.finished.push(this.bytes.subarray(0, this.position));
    this.bytes = this.bytes.subarray(this.position);
    this.position = 0;
  }

  /** Makes space, in a new batch if necessary. */
  private reserve(count: number): void {
    if (this.position + count > this.bytes.length) {
      this.finish();
      this.bytes = new Uint8Array(Math.max(BATCH, RECORD + count));
    }
    if (this.position > 0) return;
    this.byte(Ev.Batch | (1 << 6));
    if (this.thread === undefined) this.noThread();
    else this.varint(this.thread);
    this.varint(this.time);
  }

  /** 2^64 - 1. */
  private noThread(): void {
    this.bytes.fill(0xff, this.position, this.position + 9);
    this.position += 9;
    this.byte(1);
  }

  private text(text: string): void {
    const width = text.length > SHORT ? 3 : 1;
    const start = this.position + width;
    const { written } = encoder.encodeInto(text, this.bytes.subarray(start));
    this.length(this.position, width, written);
    this.position = start + written;
  }

  /** Writes a number with a fixed number of bytes. */
  private length(at: number, width: number, value: number): void {
    for (let i = 0; i < width; i++) {
      this.bytes[at + i] = ((value >>> (7 * i)) & 127) | (i < width - 1 ? 128 : 0);
    }
  }

  private varint(value: number): void {
    while (value >= 0x8000_0000) {
      this.bytes[this.position++] = (value % 128) | 128;
      value = Math.floor(value / 128);
    }
    while (value > 127) {
      this.bytes[this.position++] = (value & 127) | 128;
      value >>>= 7;
    }
    this.bytes[this.position++] = value;
  }

  private byte(value: number): void {
    this.bytes[this.position++] = value;
  }
}

/** Maximum size of a string with its length. */
function bytesOf(text: string): number {
  return 3 * text.length + 3;
}
