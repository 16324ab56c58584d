import type { LoopHold } from './hold-finder.js';
import { linesHit, type SampledSegment } from './inspector-samples.js';
import type { HoldShare, RawFrame, Sliced } from './sampler.js';

/** Stacks that are not code. */
const UNKNOWN = [named('(unknown)')];
const PROFILER = [named('(profiler)')];
const PROGRAM = [named('(program)')];

/** V8's name for a garbage collection, for which it reports no stack. */
const COLLECTOR = '(garbage collector)';

/** V8's samples of a span of time. */
export interface SampledStretch {
  readonly beginMicros: number;
  readonly endMicros: number;
  /** Our own work, which has no samples. */
  readonly excluded: readonly (readonly [beginMicros: number, endMicros: number])[];
  readonly samples: SampledSegment | undefined;
}

/** A sample that is this late, in sampling intervals, waited for a system call to return. */
const LATE = 2;

/**
 * Without a sample for this long, in sampling intervals and in microseconds, the process may have been stopped or the machine
 * suspended. But signals of V8's sampling thread are also delayed by a long system call. In that case the thread used the CPU, or the
 * sampling thread continued: then it waited more often than there are samples, by at least this part.
 */
const STOPPED = { intervals: 10, micros: 500_000, waits: 0.25 };

/** Samples between two yields. */
const PIECE = 200;

/**
 * Distributes a hold over the stacks that were sampled in it. A sample represents the time until the next one; the first one, and a
 * late one, also the time before it. Time in which the process did not run is not part of the hold.
 * A garbage collection counts under the stack that was executing before it, which needed memory.
 *
 * @param stretches spans with samples, in order
 * @param intervalMicros sampling interval
 */
export function* sharesOf(
  hold: LoopHold,
  stretches: readonly SampledStretch[],
  intervalMicros: number,
): Sliced<HoldShare[]> {
  const longest = Math.max(STOPPED.intervals * intervalMicros, STOPPED.micros);
  const ran = stretches.map(({ beginMicros, endMicros }) => [beginMicros, endMicros] as const);
  const excluded = stretches.flatMap((stretch) => stretch.excluded);
  const segments = stretches.map((stretch) => new HoldInSegment(stretch, hold));
  const samples = segments.flatMap((segment) => segment.samples());
  const waited = (hold.waits - samples.length) * intervalMicros;
  let profiler = 0;
  let unknown = 0;

  let from = hold.beginMicros;
  let code = samples.find(({ isCode }) => isCode);
  for (let i = 0; i <= samples.length; i++) {
    if (i % PIECE === 0) yield;
    const to = samples[i]?.micros ?? hold.endMicros;
    if (to <= from) continue; // V8 may write a later sample with an earlier time stamp
    const own = overlap(excluded, from, to);
    let rest = to - from - own;
    const isLate = rest > LATE * intervalMicros;
    const sample = (isLate && samples[i]) || samples[Math.max(i - 1, 0)];
    if (sample?.isCode) code = sample;
    profiler += own;
    if (rest > longest) {
      const unsampled = Math.max(to - from - overlap(ran, from, to), 0); // V8's profiler did not run
      unknown += unsampled;
      rest -= unsampled;
      if (waited < STOPPED.waits * rest) rest -= Math.min(rest, hold.awayMicros);
    }
    if (!sample) unknown += rest;
    else if (sample.isCollection && code) code.segment.addCollection(code.node, rest);
    else sample.segment.add(sample.node, rest);
    from = to;
  }

  const shares: HoldShare[] = [
    { stack: PROFILER, micros: profiler },
    { stack: UNKNOWN, micros: unknown },
  ];
  for (const segment of segments) shares.push(...(yield* segment.shares()));
  return shares.filter(({ micros }) => micros > 0);
}

/** A sample in a hold. */
interface HoldSample {
  readonly segment: HoldInSegment;
  readonly node: number;
  /** By the clock of holds. */
  readonly micros: number;
  readonly isCollection: boolean;
  /** Whether it has a stack. */
  readonly isCode: boolean;
}

/** The part of a hold within a segment, with its time by node. */
class HoldInSegment {
  private readonly microsOf = new Map<number, number>();
  private readonly collectionsOf = new Map<number, number>();
  /** Number of each node's samples in the segment but not in the hold. */
  private readonly others = new Map<number, number>();

  constructor(
    private readonly stretch: SampledStretch,
    private readonly hold: LoopHold,
  ) {}

  samples(): HoldSample[] {
    const { samples: segment, beginMicros } = this.stretch;
    if (!segment) return [];
    const shift = beginMicros - segment.beginMicros; // not 0 if V8 uses another clock
    const samples: HoldSample[] = [];
    for (const [i, node] of segment.nodes.entries()) {
      const micros = segment.micros[i]! + shift;
      if (micros >= this.hold.beginMicros && micros <= this.hold.endMicros) {
        const name = node < 0 ? '(root)' : segment.tree.frames[segment.tree.frameOf[node]!]!.functionName;
        const isCode = !name.startsWith('(');
        samples.push({ segment: this, node, micros, isCollection: name === COLLECTOR, isCode });
      } else this.others.set(node, (this.others.get(node) ?? 0) + 1);
    }
    return samples;
  }

  add(node: number, micros: number): void {
    this.microsOf.set(node, (this.microsOf.get(node) ?? 0) + micros);
  }

  /** Adds the time of a garbage collection that began while the node was executing. */
  addCollection(node: number, micros: number): void {
    this.collectionsOf.set(node, (this.collectionsOf.get(node) ?? 0) + micros);
  }

  *shares(): Sliced<HoldShare[]> {
    const shares: HoldShare[] = [];
    for (const [node, micros] of this.microsOf) {
      yield;
      for (const [line, part] of this.linesOf(node)) {
        shares.push({ stack: this.stackAt(line), micros: micros * part });
      }
    }
    for (const [node, micros] of this.collectionsOf) {
      yield;
      shares.push({ stack: [...this.stackAt(node), named(COLLECTOR)], micros });
    }
    return shares;
  }

  /**
   * V8 counts hits of lines over the whole segment. They are known for the hold only if it contains all samples of the function, or if
   * only one line was hit.
   */
  private linesOf(node: number): [node: number, part: number][] {
    const lines = linesHit(this.stretch.samples!, node);
    const total = lines.reduce((sum, [, hit]) => sum + hit, 0);
    const areKnown = total > 0 && (lines.length === 1 || !this.others.has(node));
    return areKnown ? lines.map(([line, hit]) => [line, hit / total]) : [[node, 1]];
  }

  /** Outermost first. What V8 calls idle is native code here, since the loop did not wait. */
  private stackAt(node: number): readonly RawFrame[] {
    const { tree, idle } = this.stretch.samples!;
    if (node < 0 || idle.has(node)) return PROGRAM;
    const stack: RawFrame[] = [];
    for (let at = node; at >= 0; at = tree.parentOf[at]!) stack.push(tree.frames[tree.frameOf[at]!]!);
    return stack.toReversed();
  }
}

/** Total length of the spans between two times. */
function overlap(stretches: readonly (readonly [number, number])[], from: number, to: number): number {
  return stretches.reduce(
    (sum, [begin, end]) => sum + Math.max(Math.min(end, to) - Math.max(begin, from), 0),
    0,
  );
}

function named(functionName: string): RawFrame {
  return { functionName, url: '', scriptId: 0, functionLine: 0, functionColumn: 0, line: 0 };
}
