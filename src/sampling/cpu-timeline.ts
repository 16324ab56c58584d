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
  /** Innermost first. Equal stacks are usually the same array, unless there are very many. */
  readonly stack: readonly RawFrame[];
}

/** Minimum length of segments, in ms. */
const SEGMENT_MS = 100;

/** Samples between two yields; each has a hundred frames or more. */
const PIECE = 5;

/**
 * CPU samples with their times, from its creation until {@link stop}. They are from the process's only warm profiler, which captures
 * use at the same time. So the rate may be another one that is already in use, and there are no samples while the profiler is stopped
 * for a capture with another sampler.
 */
export class CpuTimeline {
  /** The reason why there are no samples; undefined if there are. */
  readonly unsampled: string | undefined;
  private readonly watch: SampleWatch | undefined;
  private readonly beginMicros: number;
  private readonly pending: CpuSegment[] = [];
  private readonly stacks = new SharedStacks();

  /**
   * Holds the event loop while V8 starts its profiler, unless it is already running.
   *
   * @param cold the reason why V8's profiler can't be kept running, if it can't
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
   * The samples that V8 has returned since the last call, up to a few intervals ago. Call it a few times per second, since V8
   * returns all samples in between in one piece.
   */
  take(): Sliced<TimedSample[]> {
    this.watch?.split(SEGMENT_MS);
    return this.samples();
  }

  /** Ends it, and returns the remaining samples. */
  stop(): Sliced<TimedSample[]> {
    this.watch?.split(0);
    this.gather();
    this.watch?.leave();
    return this.rest();
  }

  private gather(): void {
    this.pending.push(...(this.watch?.takeEnded() ?? []));
  }

  /** Gets one segment at a time, since each holds the event loop. */
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

  /** @param shift difference of V8's clock, if it uses another one */
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

/** Maximum number of nodes; when it is exceeded, all are dropped. */
const MOST_NODES = 50_000;

/** Shares equal stacks between segments. */
class SharedStacks {
  private builder = new CallTreeBuilder();
  private tree = this.builder.build();
  private stacks: (readonly RawFrame[] | undefined)[] = [];

  /** Returns a function for the stacks of a segment's nodes. */
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

/** The line that a sample hit is known only if all samples of the function hit the same one; otherwise it is the function's first line. */
function lineOf(segment: SampledSegment, node: number): number {
  const lines = linesHit(segment, node);
  return lines.length === 1 ? lines[0]![0] : node;
}
