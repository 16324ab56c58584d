/**
 * A strict reader of trace-event JSON, written from the format's description. It throws where a viewer would have to guess.
 *
 * @see https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
 */

/** A slice; times in nanoseconds. */
export interface ReadSlice {
  readonly name: string;
  readonly category: string;
  readonly start: number;
  readonly end: number;
  /** Slices around it. */
  readonly depth: number;
  readonly args: Record<string, unknown>;
}

export interface ReadTrack {
  readonly category: string;
  readonly id: string;
  /** In order of their begins. */
  readonly slices: ReadSlice[];
  readonly instants: { name: string; time: number; args: Record<string, unknown> }[];
}

export interface ReadTrace {
  readonly processName: string;
  readonly about: Record<string, string>;
  /** Slices of each thread, by tid. */
  readonly threads: ReadonlyMap<number, { name: string; sortIndex: number; slices: ReadSlice[] }>;
  readonly tracks: readonly ReadTrack[];
  readonly counters: ReadonlyMap<string, { time: number; values: Record<string, unknown> }[]>;
  readonly profiles: readonly { tid: number; samples: { micros: number; stack: string[] }[] }[];
}

interface Event {
  ph: string;
  pid: number;
  tid: number;
  ts: number;
  name: string;
  cat: string;
  id: string;
  dur: number;
  args: Record<string, unknown>;
}

interface OpenSlice extends ReadSlice {
  end: number;
}

interface Profile {
  tid: number;
  micros: number;
  nodes: Map<number, { parent?: number; functionName: string }>;
  samples: { micros: number; stack: string[] }[];
}

/** Reads a whole trace. */
export function readTraceEvents(text: string): ReadTrace {
  const file = JSON.parse(text, noNull) as {
    traceEvents: Event[];
    otherData: Record<string, string>;
    displayTimeUnit: string;
  };
  if (file.displayTimeUnit !== 'ms' && file.displayTimeUnit !== 'ns') throw new Error('displayTimeUnit');
  const reader = new TraceReader();
  for (const event of file.traceEvents) reader.read(event);
  return reader.end(file.otherData);
}

/** NaN and Infinity become null in JSON. */
function noNull(key: string, value: unknown): unknown {
  if (value === null) throw new Error(`${key} is null`);
  return value;
}

class TraceReader {
  private pid: number | undefined;
  private processName: string | undefined;
  private readonly names = new Map<number, string>();
  private readonly sortIndexes = new Map<number, number>();
  private readonly slices = new Map<number, ReadSlice[]>();
  private readonly tracks = new Map<string, ReadTrack & { open: OpenSlice[]; last: number }>();
  private readonly counters = new Map<string, { time: number; values: Record<string, unknown> }[]>();
  private readonly profiles = new Map<string, Profile>();
  /** Of the last slice of each thread, as readers add them. */
  private readonly ends = new Map<number, number>();
  private readonly usedTids = new Set<number>();

  private readonly phases: Record<string, (event: Event) => void> = {
    M: (event) => this.metadata(event),
    X: (event) => this.complete(event),
    b: (event) => this.async(event),
    e: (event) => this.async(event),
    n: (event) => this.async(event),
    C: (event) => this.counter(event),
    P: (event) => this.profile(event),
  };

  read(event: Event): void {
    const phase = this.phases[event.ph];
    check(phase, event, 'has an unknown phase');
    check(typeof event.name === 'string', event, 'has no name');
    check(event.pid === (this.pid ??= event.pid), event, 'is of another process');
    for (const id of [event.pid, event.tid])
      check(Number.isInteger(id) && id >= 0 && id < 2 ** 32, event, 'has a pid or tid that viewers cut');
    if (event.ph !== 'M') check(event.ts >= 0, event, 'has no time');
    phase!(event);
  }

  end(about: Record<string, string>): ReadTrace {
    check(this.processName !== undefined, {}, 'no process_name');
    for (const tid of this.usedTids) check(this.names.has(tid), { tid }, 'the thread has no name');
    for (const track of this.tracks.values()) check(track.open.length === 0, track, 'has no end');
    for (const value of Object.values(about)) check(typeof value === 'string', about, 'not a string');
    return {
      processName: this.processName!,
      about,
      threads: new Map(
        [...this.names].map(([tid, name]) => [
          tid,
          { name, sortIndex: this.sortIndexes.get(tid)!, slices: this.slices.get(tid) ?? [] },
        ]),
      ),
      tracks: [...this.tracks.values()],
      counters: this.counters,
      profiles: [...this.profiles.values()],
    };
  }

  private metadata(event: Event): void {
    const { name, tid, args } = event;
    if (name === 'process_name') {
      check(this.processName === undefined, event, 'comes twice');
      this.processName = String(args.name);
    } else {
      const values = { thread_name: this.names, thread_sort_index: this.sortIndexes }[name];
      check(values, event, 'is unknown metadata');
      check(!values!.has(tid), event, 'comes twice');
      (values as Map<number, unknown>).set(tid, args.name ?? args.sort_index);
    }
  }

  private complete(event: Event): void {
    const { tid, name, cat: category, args } = event;
    this.usedTids.add(tid);
    const [start, duration] = [nanos(event.ts), nanos(event.dur)];
    check(duration >= 0, event, 'has no duration');
    const slices = this.slices.get(tid) ?? [];
    this.slices.set(tid, slices);
    check(start >= (slices.at(-1)?.end ?? 0), event, 'overlaps the slice before it');
    check(event.ts >= (this.ends.get(tid) ?? 0), event, 'overlaps the slice before it by rounding');
    this.ends.set(tid, event.ts + event.dur);
    slices.push({ name, category, start, end: start + duration, depth: 0, args });
  }

  private async(event: Event): void {
    const { ph, cat: category, id, name, args = {} } = event;
    this.usedTids.add(event.tid);
    check(/^0x[0-9a-f]+$/.test(id), event, 'has no id');
    const key = `${category} ${id}`;
    const known = this.tracks.get(key);
    check(known === undefined || known.open.length > 0, event, 'comes after the end of its track');
    const track = known ?? { category, id, slices: [], instants: [], open: [], last: 0 };
    this.tracks.set(key, track);
    const time = nanos(event.ts);
    check(time >= track.last, event, 'is before the last one of its track');
    track.last = time;
    if (ph === 'b') {
      const slice = { name, category, start: time, end: time, depth: track.open.length, args };
      track.slices.push(slice);
      track.open.push(slice);
    } else if (ph === 'e') {
      const slice = track.open.pop();
      check(slice?.name === name, event, 'ends another slice');
      slice!.end = time;
    } else {
      check(track.open.length > 0, event, 'is outside of its track');
      track.instants.push({ name, time, args });
    }
  }

  private counter(event: Event): void {
    const time = nanos(event.ts);
    const values = this.counters.get(event.name) ?? [];
    this.counters.set(event.name, values);
    check(time >= (values.at(-1)?.time ?? 0), event, 'is before the last one');
    const numbers = Object.values(event.args);
    check(numbers.length > 0 && numbers.every(Number.isFinite), event, 'counts no numbers');
    values.push({ time, values: event.args });
  }

  private profile(event: Event): void {
    check(event.cat === 'disabled-by-default-v8.cpu_profiler', event, 'has an unknown category');
    this.usedTids.add(event.tid);
    const known = this.profiles.get(event.id);
    if (event.name === 'Profile') {
      const { startTime } = event.args.data as { startTime: number };
      check(known === undefined, event, 'begins twice');
      check(Number.isInteger(startTime) && startTime === event.ts, event, 'begins at no whole microsecond');
      this.profiles.set(event.id, { tid: event.tid, micros: startTime, nodes: new Map(), samples: [] });
    } else {
      check(event.name === 'ProfileChunk', event, 'is unknown');
      check(known?.tid === event.tid, event, 'is of no profile of its thread');
      readChunk(known!, event);
    }
  }
}

function readChunk(profile: Profile, event: Event): void {
  const { cpuProfile, timeDeltas } = event.args.data as {
    cpuProfile: {
      nodes: { id: number; parent?: number; callFrame: Record<string, unknown> }[];
      samples: number[];
    };
    timeDeltas: number[];
  };
  for (const { id, parent, callFrame } of cpuProfile.nodes) {
    check(!profile.nodes.has(id), event, 'has a node twice');
    check(
      parent === undefined ? profile.nodes.size === 0 : profile.nodes.has(parent),
      event,
      'has no parent',
    );
    check(typeof callFrame.functionName === 'string', event, 'has a node without a name');
    check(!('lineNumber' in callFrame) || (callFrame.lineNumber as number) >= 0, event, 'has a line below 0');
    profile.nodes.set(id, { parent, functionName: callFrame.functionName as string });
  }
  check(cpuProfile.samples.length === timeDeltas.length, event, 'has more samples than times');
  for (const [i, node] of cpuProfile.samples.entries()) {
    check(Number.isInteger(timeDeltas[i]) && timeDeltas[i]! >= 0, event, 'goes back in time');
    profile.micros += timeDeltas[i]!;
    profile.samples.push({ micros: profile.micros, stack: stackOf(profile, node, event) });
  }
}

function stackOf({ nodes }: Profile, leaf: number, event: Event): string[] {
  const stack: string[] = [];
  for (let id: number | undefined = leaf; id !== undefined; id = nodes.get(id)!.parent) {
    check(nodes.has(id), event, 'has a sample of no node');
    stack.push(nodes.get(id)!.functionName);
  }
  return stack;
}

/** Times of the format are microseconds. */
function nanos(micros: number): number {
  return Math.round(micros * 1000);
}

function check(condition: unknown, event: object, problem: string): void {
  if (!condition) throw new Error(`${JSON.stringify(event)} ${problem}`);
}
