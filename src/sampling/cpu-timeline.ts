import { CallTreeBuilder } from './call-tree-builder.js';
import { nowMicros } from './cpu-readings.js';
import type { CpuSegment } from './cpu-segment.js';
import { linesHit, type SampledSegment } from './inspector-samples.js';
import { reasonOf } from './reason.js';
import type { RawFrame, Sliced, WarmOptions } from './sampler.js';
import { nanosOfMicros } from './trace-clock.js';
import { SampleWatch } from './warm-profiler.js';

/** A CPU sample of this thread. */
export interface TimedSample {
  /** In nanoseconds of `performance.now()`. */
  readonly time: number;
  /** Innermost first; the same stack is the same list, as long as there are not too many. */
  readonly stack: readonly RawFrame[];
}

/** How long segments are at least, in ms. */
const SEGMENT_MS = 100;

/** Samples between two yields; each has a hundred frames or more. */
const PIECE = 5;

/**
 * CPU samples with their times, from its creation until {@link stop}. They are those of the process's one warm profiler, which
 * captures use at the same time: at another rate if it runs at that for somebody else, and none while it is stopped for a capture
 * by other means.
 */
export class CpuTimeline {
  /** Why there are no samples; undefined if there are. */
  readonly unsampled: string | undefined;
  private readonly watch: SampleWatch | undefined;
  private readonly beginMicros: number;
  private readonly pending: CpuSegment[] = [];
  private readonly stacks = new SharedStacks();

  /**
   * Holds the event loop for as long as V8 takes to start its profiler, if that does not run already.
   *
   * @param cold why V8's profiler cannot be kept running
   */
  constructor(options: WarmOptions, cold: string | undefined) {
    try {
      this.unsampled = cold;
      if (cold === undefined) this.watch = new SampleWatch(options);
    } catch (error) {
      this.unsampled = reasonOf(error);
    }
    this.watch?.split(SEGMENT_MS);
    this.watch?.forget();
    this.beginMicros = nowMicros();
  }

  /**
   * What V8 has handed out since it was asked before: samples up to a few intervals ago. To be asked a few times a second,
   * since V8 hands out in one piece what it sampled in between.
   */
  take(): Sliced<TimedSample[]> {
    this.watch?.split(SEGMENT_MS);
    return this.samples();
  }

  /** Ends it, and has the rest. */
  stop(): Sliced<TimedSample[]> {
    this.watch?.split(0);
    this.gather();
    this.watch?.leave();
    return this.rest();
  }

  private gather(): void {
    this.pending.push(...(this.watch?.takeEnded() ?? []));
  }

  /** V8 hands out one segment after the other, since each holds the event loop. */
  private *rest(): Sliced<TimedSample[]> {
    for (const segment of this.pending) {
      this.watch?.handOut(segment);
      yield;
    }
    return yield* this.samples();
  }

  private *samples(): Sliced<TimedSample[]> {
    this.gather();
    const taken: TimedSample[] = [];
    while (this.pending[0]?.isHandedOut) {
      const segment = this.pending.shift()!;
      const samples = yield* segment.samples();
      if (samples) yield* this.add(samples, segment.beginMicros - samples.beginMicros, taken);
    }
    return taken;
  }

  /** @param shift not 0 where V8 has another clock */
  private *add(segment: SampledSegment, shift: number, taken: TimedSample[]): Sliced<void> {
    const stackOf = this.stacks.of(segment);
    for (const [i, node] of segment.nodes.entries()) {
      if (i % PIECE === 0) yield;
      const micros = segment.micros[i]! + shift;
      if (node < 0 || segment.idle.has(node) || micros < this.beginMicros) continue;
      taken.push({ time: nanosOfMicros(micros), stack: stackOf(node) });
    }
  }
}

/** Nodes that are kept; when there are more, all are forgotten. */
const MOST_NODES = 50_000;

/** The stacks of segments. */
class SharedStacks {
  private builder = new CallTreeBuilder();
  private tree = this.builder.build();
  private stacks: (readonly RawFrame[] | undefined)[] = [];

  /** Of a segment's nodes. */
  of(segment: SampledSegment): (node: number) => readonly RawFrame[] {
    if (this.tree.parentOf.length > MOST_NODES) this.clear();
    const { frames, frameOf, parentOf } = segment.tree;
    const shared: number[] = [];
    const sharedNode = (node: number): number =>
      node < 0
        ? -1
        : (shared[node] ??= this.builder.callee(sharedNode(parentOf[node]!), frames[frameOf[node]!]!));
    return (node) => this.stackAt(sharedNode(lineOf(segment, node)));
  }

  private stackAt(node: number): readonly RawFrame[] {
    const { frames, frameOf, parentOf } = this.tree;
    const known = this.stacks[node];
    if (known) return known;
    const stack: RawFrame[] = [];
    for (let at = node; at >= 0; at = parentOf[at]!) stack.push(frames[frameOf[at]!]!);
    return (this.stacks[node] = stack);
  }

  private clear(): void {
    this.builder = new CallTreeBuilder();
    this.tree = this.builder.build();
    this.stacks = [];
  }
}

/** Which line a sample hit is known if all samples of the function hit it; otherwise it is the function's first one. */
function lineOf(segment: SampledSegment, node: number): number {
  const lines = linesHit(segment, node);
  return lines.length === 1 ? lines[0]![0] : node;
}
