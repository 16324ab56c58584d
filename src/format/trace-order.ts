import type { TraceEvent, WaitCause } from './trace-event.js';

type Of<Type extends TraceEvent['type']> = Extract<TraceEvent, { readonly type: Type }>;
type OfGoroutine = Exclude<Extract<TraceEvent, { readonly goroutine: number }>, Of<'sample'>>;

/** The goroutine of everything that belongs to no other one. */
const REST = 1;

/** Number of ended goroutines that are kept, for samples and other events that arrive after the end. */
const RECENT = 8192;

interface Thread {
  readonly number: number;
  /** Of its last event. */
  time: number;
  isOn: boolean;
  running: Goroutine | undefined;
  /** Preempted goroutines, outermost first; each one resumes when the one that preempted it stops. */
  readonly suspended: Goroutine[];
}

interface Goroutine {
  /** Its number in the input, and in the output. */
  readonly given: number;
  readonly number: number;
  readonly created: number;
  /** Of its last event. */
  time: number;
  runsOn: Thread | undefined;
  suspendedOn: Thread | undefined;
  /** What it waits for, if it waits. */
  cause: WaitCause | undefined;
  /** Stack at which it waits. */
  stack: number;
  /** Open regions, outermost first. */
  readonly regions: Region[];
}

interface Region {
  readonly id: number;
  readonly goroutine: Goroutine;
  hasEnded: boolean;
}

/**
 * Creates a consistent stream from events in any order and with any gaps. In its output:
 *
 * - Times don't decrease, neither on a thread nor for a goroutine.
 * - A goroutine is created, then runs and waits alternately until it ends, with a `wake` between `wait` and `run`. A thread runs one at
 *   a time. When another one starts to run, the running one is preempted first, and resumes when the other one stops.
 * - An event of a goroutine that is not running, such as the start of a region, makes it run for that moment.
 * - Regions nest within a goroutine: an outer region that ends first ends together with its inner ones. All end with their goroutine.
 * - A task or region begins once, and ends only if it began. Those without an end stay open.
 * - Collections don't overlap. Collections and samples have their own times, which may be earlier than those of other events, but not
 *   than the first one. The `goroutine` of a sample is 0 if it did not exist yet or ended long ago.
 * - Threads and goroutines that are used before their start begin at that event. Goroutines that waited before the trace (`waits`) are
 *   created, run for no time, and wait.
 * - Regions, tasks and log messages of a goroutine that has ended are assigned to goroutine 1; its other events are dropped. A number that
 *   is created again becomes a new goroutine. Ended goroutines take no memory, except for the last 8192.
 */
export class TraceOrder {
  private readonly threads = new Map<number, Thread>();
  /** Goroutines by their number in the input. */
  private readonly goroutines = new Map<number, Goroutine>();
  private readonly recent: Goroutine[] = [];
  private readonly regions = new Map<number, Region>();
  /** Start times of open tasks. */
  private readonly tasks = new Map<number, number>();
  private highest = REST;
  private first: number | undefined;
  /** When the last collection ended. */
  private collected = 0;

  /** @param emit called with each event, in order */
  constructor(private readonly emit: (event: TraceEvent) => void) {}

  /** Processes an event, and emits the resulting events, if any. */
  add(event: TraceEvent): void {
    switch (event.type) {
      case 'name':
      case 'stack':
        return this.emit(event);
      case 'sample':
        return this.sample(event, this.notBefore(event.time));
      case 'collection':
        return this.collection(event, this.notBefore(event.time));
      case 'thread':
        return this.beginThread(event);
      case 'thread-end':
        return this.endThread(event);
      default:
        return this.addTo(this.threadOf(event), event);
    }
  }

  private addTo(thread: Thread, event: OfGoroutine): void {
    switch (event.type) {
      case 'create':
        if (!this.goroutines.has(event.goroutine)) this.create(event, thread);
        return;
      case 'run':
        return this.run(event, thread);
      case 'wait':
        return this.wait(event, thread);
      case 'preempt':
        return this.preempt(event);
      case 'wake':
        return this.wake(event, thread);
      case 'end':
        return this.end(event, thread);
      case 'region':
        return this.beginRegion(event, thread);
      case 'region-end':
        return this.endRegion(event, thread);
      case 'task':
        return this.beginTask(event, thread);
      case 'task-end':
        return this.endTask(event, thread);
      case 'log':
        return this.annotate(event, this.annotated(event, thread), thread);
    }
  }

  /** The time, but not earlier than the first event. */
  private notBefore(time: number): number {
    this.first ??= time;
    return Math.max(time, this.first);
  }

  private sample(event: Of<'sample'>, time: number): void {
    const given = event.goroutine;
    const found = this.goroutines.get(given) ?? this.recent[given % RECENT];
    const goroutine = found?.given === given && found.created < time ? found.number : 0;
    this.emit(goroutine === given && time === event.time ? event : { ...event, time, goroutine });
  }

  private collection(event: Of<'collection'>, earliest: number): void {
    const time = Math.max(earliest, this.collected);
    const end = Math.max(event.end, time);
    this.collected = end;
    this.emit(time === event.time && end === event.end ? event : { ...event, time, end });
  }

  private beginThread(event: Of<'thread'>): void {
    const time = this.notBefore(event.time);
    const known = this.threads.get(event.thread);
    if (known?.isOn) return;
    const thread = known ?? { number: event.thread, time, isOn: true, running: undefined, suspended: [] };
    thread.isOn = true;
    this.threads.set(event.thread, thread);
    this.emit(at(advance(thread, time), event));
  }

  private endThread(event: Of<'thread-end'>): void {
    const thread = this.threads.get(event.thread);
    if (!thread?.isOn) return;
    advance(thread, event.time);
    if (thread.running) this.interrupt(thread.running);
    for (const goroutine of thread.suspended.splice(0)) goroutine.suspendedOn = undefined;
    thread.isOn = false;
    this.emit(at(thread.time, event));
  }

  private threadOf({ thread: number, time }: OfGoroutine): Thread {
    const known = this.threads.get(number);
    if (known?.isOn) return known;
    this.beginThread({ type: 'thread', time, thread: number, id: number, name: '' });
    return this.threads.get(number)!;
  }

  private create(event: Of<'create'>, thread: Thread): Goroutine {
    const { goroutine: given, time, start, waits } = event;
    const number = given === REST || given > this.highest ? given : this.highest + 1;
    this.highest = Math.max(this.highest, number);
    const goroutine: Goroutine = {
      given,
      number,
      created: advance(thread, time),
      time: thread.time,
      runsOn: undefined,
      suspendedOn: undefined,
      cause: undefined,
      stack: 0,
      regions: [],
    };
    this.goroutines.set(given, goroutine);
    this.recent[given % RECENT] = goroutine;
    if (!waits) this.pass(event, goroutine, thread);
    else {
      const place = { time, thread: thread.number, goroutine: given };
      this.pass({ type: 'create', ...place, start }, goroutine, thread);
      this.wait({ type: 'wait', ...place, cause: waits, stack: 0 }, thread);
    }
    return goroutine;
  }

  /** The goroutine of an event, which is created if it is new; undefined if it has ended. */
  private goroutineOf({ goroutine: given, time }: OfGoroutine, thread: Thread): Goroutine | undefined {
    const known = this.goroutines.get(given);
    const last = this.recent[given % RECENT];
    if (known || (last && last.given >= given && given !== REST)) return known;
    return this.create({ type: 'create', time, thread: thread.number, goroutine: given, start: 0 }, thread);
  }

  /** The goroutine of an event that must not be lost. */
  private annotated(event: OfGoroutine, thread: Thread): Goroutine {
    return this.goroutineOf(event, thread) ?? this.goroutineOf({ ...event, goroutine: REST }, thread)!;
  }

  private run(event: Of<'run'>, thread: Thread): void {
    const goroutine = this.goroutineOf(event, thread);
    if (!goroutine || goroutine.runsOn === thread) return;
    this.makeWay(goroutine, thread, event.time);
    this.pass(event, goroutine, thread);
    occupy(thread, goroutine);
  }

  private wait(event: Of<'wait'>, thread: Thread): void {
    const goroutine = this.goroutineOf(event, thread);
    if (!goroutine || goroutine.cause) return;
    const resumes = this.enter(goroutine, thread, event.time);
    const runsOn = goroutine.runsOn!;
    this.pass(event, goroutine, runsOn);
    vacate(runsOn, goroutine);
    if (event.cause !== 'yield') goroutine.cause = event.cause;
    goroutine.stack = event.stack;
    if (resumes) this.resume(runsOn);
  }

  private preempt(event: Of<'preempt'>): void {
    const goroutine = this.goroutines.get(event.goroutine);
    if (!goroutine?.runsOn) return;
    const { runsOn } = goroutine;
    this.pass(event, goroutine, runsOn);
    vacate(runsOn, goroutine);
    suspend(runsOn, goroutine);
  }

  private wake(event: Of<'wake'>, thread: Thread): void {
    const goroutine = this.goroutines.get(event.goroutine);
    if (!goroutine?.cause) return;
    this.pass(event, goroutine, thread);
    goroutine.cause = undefined;
  }

  private end(event: Of<'end'>, thread: Thread): void {
    const goroutine = this.goroutines.get(event.goroutine);
    if (!goroutine || goroutine.number === REST) return;
    const resumes = this.enter(goroutine, thread, event.time);
    const runsOn = goroutine.runsOn!;
    while (goroutine.regions.length > 0) this.closeRegion(event, goroutine, thread);
    this.pass(event, goroutine, runsOn);
    vacate(runsOn, goroutine);
    this.goroutines.delete(event.goroutine);
    if (resumes) this.resume(runsOn);
  }

  private beginTask(event: Of<'task'>, thread: Thread): void {
    if (this.tasks.has(event.task)) return;
    const goroutine = this.annotated(event, thread);
    this.annotate(event, goroutine, thread);
    this.tasks.set(event.task, goroutine.time);
  }

  private endTask(event: Of<'task-end'>, thread: Thread): void {
    const begin = this.tasks.get(event.task);
    if (begin === undefined) return;
    this.tasks.delete(event.task);
    const goroutine = this.annotated(event, thread);
    goroutine.time = Math.max(goroutine.time, begin + 1); // on two threads, only the time determines the order
    this.annotate(event, goroutine, thread);
  }

  private beginRegion(event: Of<'region'>, thread: Thread): void {
    if (this.regions.has(event.region)) return;
    const goroutine = this.annotated(event, thread);
    const region: Region = { id: event.region, goroutine, hasEnded: false };
    this.regions.set(region.id, region);
    goroutine.regions.push(region);
    this.annotate(event, goroutine, thread);
  }

  private endRegion(event: Of<'region-end'>, thread: Thread): void {
    const region = this.regions.get(event.region);
    if (!region) return;
    const { goroutine } = region;
    region.hasEnded = true;
    while (goroutine.regions.at(-1)?.hasEnded) this.closeRegion(event, goroutine, thread);
  }

  /** Ends the innermost region of a goroutine. */
  private closeRegion(event: Of<'region-end' | 'end'>, goroutine: Goroutine, thread: Thread): void {
    const { id } = goroutine.regions.pop()!;
    this.regions.delete(id);
    const isIt = event.type === 'region-end' && event.region === id;
    this.annotate(isIt ? event : { ...event, type: 'region-end', region: id }, goroutine, thread);
  }

  /** Emits an event of a goroutine, which runs for that moment if it is not running. */
  private annotate(event: OfGoroutine, goroutine: Goroutine, thread: Thread): void {
    const { runsOn, suspendedOn, cause, stack } = goroutine;
    if (runsOn) return this.pass(event, goroutine, runsOn);
    const place = suspendedOn?.suspended.indexOf(goroutine);
    const resumes = this.enter(goroutine, thread, event.time);
    this.pass(event, goroutine, thread);
    if (cause) this.emit({ type: 'wait', ...placeOf(goroutine, thread), cause, stack });
    else this.emit({ type: 'preempt', ...placeOf(goroutine, thread) });
    vacate(thread, goroutine);
    goroutine.cause = cause;
    if (suspendedOn) suspend(suspendedOn, goroutine, place);
    if (resumes) this.resume(thread);
  }

  /**
   * Makes a goroutine run if it is not running.
   *
   * @returns whether the thread must resume another one afterwards
   */
  private enter(goroutine: Goroutine, thread: Thread, time: number): boolean {
    if (goroutine.runsOn) return true;
    const interrupts = thread.running !== undefined;
    this.makeWay(goroutine, thread, time);
    this.begin(goroutine, thread);
    return interrupts;
  }

  /** Makes a goroutine runnable and frees its thread. */
  private makeWay(goroutine: Goroutine, thread: Thread, time: number): void {
    advance(thread, Math.max(time, goroutine.time));
    if (goroutine.runsOn) this.move(goroutine, goroutine.runsOn, thread.time);
    if (goroutine.suspendedOn) unsuspend(goroutine.suspendedOn, goroutine);
    goroutine.time = advance(thread, goroutine.time);
    if (goroutine.cause) this.emit({ type: 'wake', ...placeOf(goroutine, thread) });
    goroutine.cause = undefined;
    const { running } = thread;
    if (!running) return;
    this.interrupt(running);
    suspend(thread, running);
  }

  /** Removes a goroutine from the thread on which it runs. */
  private move(goroutine: Goroutine, from: Thread, time: number): void {
    advance(from, time);
    this.interrupt(goroutine);
    this.resume(from);
  }

  private begin(goroutine: Goroutine, thread: Thread): void {
    goroutine.time = advance(thread, goroutine.time);
    this.emit({ type: 'run', ...placeOf(goroutine, thread) });
    occupy(thread, goroutine);
  }

  private interrupt(goroutine: Goroutine): void {
    const thread = goroutine.runsOn!;
    goroutine.time = advance(thread, goroutine.time);
    this.emit({ type: 'preempt', ...placeOf(goroutine, thread) });
    vacate(thread, goroutine);
  }

  /** Resumes the last preempted goroutine. */
  private resume(thread: Thread): void {
    const goroutine = thread.suspended.pop();
    if (!goroutine) return;
    goroutine.suspendedOn = undefined;
    this.begin(goroutine, thread);
  }

  /** Emits an event, with corrected time, thread and number. */
  private pass(event: OfGoroutine, goroutine: Goroutine, thread: Thread): void {
    const { number } = goroutine;
    const time = advance(thread, Math.max(event.time, goroutine.time));
    goroutine.time = time;
    const fits = event.time === time && event.thread === thread.number && event.goroutine === number;
    this.emit(fits ? event : { ...event, time, thread: thread.number, goroutine: number });
  }
}

function advance(thread: Thread, time: number): number {
  if (time > thread.time) thread.time = time;
  return thread.time;
}

function at(time: number, event: Of<'thread' | 'thread-end'>): TraceEvent {
  return event.time === time ? event : { ...event, time };
}

function placeOf(goroutine: Goroutine, thread: Thread): { time: number; thread: number; goroutine: number } {
  return { time: goroutine.time, thread: thread.number, goroutine: goroutine.number };
}

function occupy(thread: Thread, goroutine: Goroutine): void {
  thread.running = goroutine;
  goroutine.runsOn = thread;
}

function vacate(thread: Thread, goroutine: Goroutine): void {
  thread.running = undefined;
  goroutine.runsOn = undefined;
}

function suspend(thread: Thread, goroutine: Goroutine, place = thread.suspended.length): void {
  thread.suspended.splice(place, 0, goroutine);
  goroutine.suspendedOn = thread;
}

function unsuspend(thread: Thread, goroutine: Goroutine): void {
  thread.suspended.splice(thread.suspended.lastIndexOf(goroutine), 1);
  goroutine.suspendedOn = undefined;
}
