/** A strict reader of trace events in JSON: viewers draw what they can, this one takes nothing that is not sound. */

export interface TraceEntry {
  readonly ph: string;
  readonly name: string;
  readonly cat: string;
  readonly pid: number;
  readonly tid: number;
  readonly id?: string;
  /** µs */
  readonly ts: number;
  readonly dur?: number;
  readonly args?: Readonly<Record<string, unknown>>;
}

/** A slice of a row or of a track, in µs. */
export interface Slice {
  readonly name: string;
  readonly cat: string;
  /** Thread of a row, id of a track. */
  readonly track: string;
  readonly begin: number;
  readonly end: number;
  /** Slices around it. */
  readonly depth: number;
  readonly args: Readonly<Record<string, unknown>>;
}

export interface JsonTrace {
  readonly entries: readonly TraceEntry[];
  readonly slices: readonly Slice[];
  /** Names by thread. */
  readonly threads: ReadonlyMap<number, string>;
  /** CPU samples by innermost function. */
  readonly samples: ReadonlyMap<string, number>;
}

interface OpenSlice {
  readonly entry: TraceEntry;
  readonly depth: number;
}

interface ProfileData {
  readonly cpuProfile: {
    readonly nodes: readonly {
      readonly id: number;
      readonly parent?: number;
      readonly callFrame: { readonly functionName: string };
    }[];
    readonly samples: readonly number[];
  };
  readonly timeDeltas: readonly number[];
}

/** @throws Error at the first thing that is not sound */
export function readTraceJson(bytes: Uint8Array): JsonTrace {
  const entries = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as TraceEntry[];
  check(Array.isArray(entries), 'no list');
  for (const entry of entries) checkEntry(entry);
  return {
    entries,
    slices: [...rows(entries), ...tracks(entries)],
    threads: names(entries),
    samples: samples(entries),
  };
}

function checkEntry(entry: TraceEntry): void {
  const text = JSON.stringify(entry);
  check(typeof entry.ph === 'string' && 'MXbenCP'.includes(entry.ph), `no such kind: ${text}`);
  check(typeof entry.name === 'string' && typeof entry.cat === 'string', `no name: ${text}`);
  check(Number.isInteger(entry.pid) && Number.isInteger(entry.tid), `no thread: ${text}`);
  check(Number.isFinite(entry.ts) && entry.ts >= 0, `no time: ${text}`);
  check(entry.ph !== 'X' || (Number.isFinite(entry.dur) && entry.dur! >= 0), `no duration: ${text}`);
  check(!'ben'.includes(entry.ph) || typeof entry.id === 'string', `no id: ${text}`);
}

/** Slices of threads: they come one after the other, or within each other. */
function rows(entries: readonly TraceEntry[]): Slice[] {
  const open = new Map<number, number[]>();
  return entries
    .filter(({ ph }) => ph === 'X')
    .map(({ name, cat, tid, ts, dur, args = {} }) => {
      const ends = open.get(tid) ?? [];
      open.set(tid, ends);
      while (ends.length > 0 && ends.at(-1)! <= ts + 1e-4) ends.pop();
      const end = ts + dur!;
      check(ends.length === 0 || end <= ends.at(-1)! + 1e-4, `${name} at ${ts} is not within what it is in`);
      ends.push(end);
      return { name, cat, track: `${tid}`, begin: ts, end, depth: ends.length - 1, args };
    });
}

/** Slices of tracks: each end is that of the innermost one, and times rise. */
function tracks(entries: readonly TraceEntry[]): Slice[] {
  const open = new Map<string, OpenSlice[]>();
  const last = new Map<string, number>();
  const slices: Slice[] = [];
  for (const entry of entries.filter(({ ph }) => 'ben'.includes(ph))) {
    const { ph, name, cat, id, ts } = entry;
    const track = `${cat} ${id}`;
    const stack = open.get(track) ?? [];
    open.set(track, stack);
    check(ts >= (last.get(track) ?? 0), `${track}: time goes back at ${name}`);
    last.set(track, ts);
    if (ph === 'b') {
      stack.push({ entry, depth: stack.length });
    } else if (ph === 'n') {
      check(stack.length > 0, `${track}: ${name} is outside`);
    } else {
      const begun = stack.pop();
      check(begun?.entry.name === name, `${track}: ${begun?.entry.name} ends as ${name}`);
      const args = { ...begun!.entry.args, ...entry.args };
      slices.push({ name, cat, track: id!, begin: begun!.entry.ts, end: ts, depth: begun!.depth, args });
    }
  }
  for (const [track, stack] of open)
    check(stack.length === 0, `${track}: ${stack[0]?.entry.name} does not end`);
  return slices;
}

function names(entries: readonly TraceEntry[]): Map<number, string> {
  check(
    entries.some(({ name }) => name === 'process_name'),
    'the process has no name',
  );
  const threads = new Map<number, string>();
  for (const { ph, name, tid, args } of entries) {
    if (ph === 'M' && name === 'thread_name') threads.set(tid, args!.name as string);
  }
  for (const { ph, tid } of entries) check(ph === 'M' || threads.has(tid), `thread ${tid} has no name`);
  return threads;
}

function samples(entries: readonly TraceEntry[]): Map<string, number> {
  const profiles = new Map<string, Map<number, string>>();
  const counts = new Map<string, number>();
  for (const { ph, name, id, args } of entries) {
    if (ph !== 'P') continue;
    if (name === 'Profile') {
      check(!profiles.has(id!), `profile ${id} begins twice`);
      profiles.set(id!, new Map());
      continue;
    }
    const nodes = profiles.get(id!);
    check(nodes !== undefined, `profile ${id} did not begin`);
    const { cpuProfile, timeDeltas } = args!.data as ProfileData;
    for (const node of cpuProfile.nodes) {
      check(node.id === 1 || nodes!.has(node.parent!), `node ${node.id} has no parent`);
      check(!nodes!.has(node.id), `node ${node.id} comes twice`);
      nodes!.set(node.id, node.callFrame.functionName);
    }
    check(timeDeltas.length === cpuProfile.samples.length, 'times and samples are not as many');
    for (const sample of cpuProfile.samples) {
      const leaf = nodes!.get(sample);
      check(leaf !== undefined, `no node ${sample}`);
      counts.set(leaf!, (counts.get(leaf!) ?? 0) + 1);
    }
  }
  return counts;
}

function check(holds: boolean, what: string): void {
  if (!holds) throw new Error(`not sound: ${what}`);
}
