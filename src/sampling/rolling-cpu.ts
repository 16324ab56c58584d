import { console as inspectorConsole, type Profiler } from 'node:inspector';
import { nowMicros } from './cpu-readings.js';
import { frameOf } from './inspector-cpu.js';
import { InspectorSession } from './inspector-session.js';
import { namedFrame, type RawFrame } from './sampler.js';

/** Other sessions in which V8's profiler is enabled are told of a profile of that name, with next to nothing in it. */
const BRIDGE = 'nestjs-pprof: a cut';

/** A stretch of time by the clock of {@link nowMicros}. */
export interface Stretch {
  readonly beginMicros: number;
  readonly endMicros: number;
}

/** A stack, innermost first, and for how long it was executing. */
export interface TimedStack {
  readonly stack: readonly RawFrame[];
  readonly nanos: number;
}

/** Native code that belongs to no function. */
const PROGRAM = namedFrame('(program)');

/** Stands for {@link PROGRAM}: V8 numbers its nodes from 1. */
const NATIVE = 0;

/**
 * CPU samples without an end, in pieces. To start V8's profiler holds the event loop for long, so it must go on from one
 * piece to the next: a third profile of the same session bridges the gap. It is gone before anyone else can run, so that a
 * `console.profileEnd()` of the application never ends one of ours.
 */
export class RollingCpu {
  private readonly session = new InspectorSession();
  private began: Stretch;

  constructor(intervalMicros: number) {
    try {
      this.session.post('Profiler.enable');
      this.session.post('Profiler.setSamplingInterval', { interval: intervalMicros });
      this.began = this.begin();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Ends a piece, and begins the next one. */
  cut(): CpuPiece {
    inspectorConsole.profile(BRIDGE);
    try {
      const { profile } = this.session.post<Profiler.StopReturnType>('Profiler.stop');
      const { began } = this;
      this.began = this.begin();
      return new CpuPiece(profile, began);
    } finally {
      inspectorConsole.profileEnd(BRIDGE);
    }
  }

  close(): void {
    this.session.close();
  }

  private begin(): Stretch {
    const beginMicros = nowMicros();
    this.session.post('Profiler.start');
    return { beginMicros, endMicros: nowMicros() };
  }
}

/** The samples between two cuts. */
export class CpuPiece {
  /** Of each sample; none is before the one that precedes it, which V8 does not promise. */
  private readonly micros: Float64Array;
  private readonly nodes = new Map<number, Profiler.ProfileNode>();
  private readonly parents = new Map<number, number>();

  /** @param began when V8's profile did: its own clock may be another one */
  constructor(
    private readonly profile: Profiler.Profile,
    { beginMicros, endMicros }: Stretch,
  ) {
    let micros = Math.min(Math.max(profile.startTime, beginMicros), endMicros);
    this.micros = Float64Array.from(profile.timeDeltas ?? [], (delta) => (micros += Math.max(delta, 0)));
    for (const node of profile.nodes) {
      this.nodes.set(node.id, node);
      for (const child of node.children ?? []) this.parents.set(child, node.id);
    }
  }

  /**
   * Shares a stretch of time, in which the thread was never idle, among what was seen in it. A sample stands for the time
   * since the one before it: one that comes late, after a system call that no signal interrupts, shows that call.
   *
   * @returns at least one stack, `(program)` where no sample fell into it
   */
  stacksIn({ beginMicros, endMicros }: Stretch): TimedStack[] {
    const nanosOf = new Map<number, number>();
    let node = NATIVE;
    let from = beginMicros;
    const add = (until: number): void => {
      nanosOf.set(node, (nanosOf.get(node) ?? 0) + (until - from) * 1000);
      from = until;
    };
    for (let i = firstFrom(this.micros, beginMicros); this.micros[i]! <= endMicros; i++) {
      node = this.busyNode(this.profile.samples![i]!);
      add(this.micros[i]!);
    }
    add(endMicros);
    return Array.from(nanosOf, ([node, nanos]) => ({ stack: this.stackOf(node), nanos }));
  }

  /** All but those in which the thread did nothing; the same array for the same stack. */
  samples(): { readonly micros: number; readonly stack: readonly RawFrame[] }[] {
    const stacks = new Map<number, readonly RawFrame[]>();
    const found: { micros: number; stack: readonly RawFrame[] }[] = [];
    for (const [i, micros] of this.micros.entries()) {
      const node = this.profile.samples![i]!;
      if (this.nodes.get(node)!.callFrame.functionName === '(idle)') continue;
      let stack = stacks.get(node);
      if (stack === undefined) stacks.set(node, (stack = this.stackOf(this.busyNode(node))));
      found.push({ micros, stack });
    }
    return found;
  }

  /** What V8 calls idle in a thread that is not is native code, as what it calls program. */
  private busyNode(node: number): number {
    const { functionName } = this.nodes.get(node)!.callFrame;
    return functionName === '(idle)' || functionName === PROGRAM.functionName ? NATIVE : node;
  }

  /** Without V8's (root). */
  private stackOf(leaf: number): RawFrame[] {
    if (leaf === NATIVE) return [PROGRAM];
    const stack: RawFrame[] = [];
    for (let id = leaf, up; (up = this.parents.get(id)) !== undefined; id = up) {
      stack.push(frameOf(this.nodes.get(id)!.callFrame));
    }
    return stack;
  }
}

/** The first index whose number is not less than `from`. */
function firstFrom(sorted: Float64Array, from: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! < from) low = middle + 1;
    else high = middle;
  }
  return low;
}
