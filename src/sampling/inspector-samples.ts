import type { Profiler } from 'node:inspector';
import { CallTreeBuilder, frameOf } from './call-tree-builder.js';
import type { CpuReadings } from './cpu-readings.js';
import { shareCpuTime, type SharedTime } from './cpu-slices.js';
import type { CallTree, CpuSamples, RawFrame, Sliced, TimeApart } from './sampler.js';

/** Nodes or samples between two yields. */
const PIECE = 200;

/** V8's samples of a span of time, with nodes in our order. */
export interface SampledSegment {
  readonly tree: CallTree;
  readonly hits: readonly number[];
  /** For each node how many lines of the same V8 node follow it. */
  readonly linesAfter: readonly number[];
  readonly idle: ReadonlySet<number>;
  /** Innermost node and time of each sample. */
  readonly nodes: readonly number[];
  readonly micros: Float64Array;
  readonly beginMicros: number;
  readonly endMicros: number;
  /** The thread's CPU clock in that time; undefined if the system does not report it. */
  readonly readings: CpuReadings | undefined;
}

/** The part of a V8 profile that counts. */
export interface Span {
  /** Right before V8 was asked to begin, by the clock of the readings. */
  readonly askedMicros: number;
  readonly beginMicros: number;
  readonly endMicros: number;
  /** Spans that don't count: our own work. */
  readonly excluded: readonly (readonly [beginMicros: number, endMicros: number])[];
  readonly readings: CpuReadings | undefined;
}

/** CPU time during a recording. */
export interface CpuUse {
  readonly beginMicros: number;
  readonly endMicros: number;
  /** CPU time of the recording thread, from before V8 began until after it ended. */
  readonly ownNanos: number;
  /** CPU time of other threads. */
  readonly others: readonly TimeApart[];
}

/**
 * V8's samples within a span: the first and last samples of a profile are of the code that started and stopped it.
 *
 * @param known frames of other segments, to share equal ones
 */
export function* sampledSegment(
  profile: Profiler.Profile,
  span: Span,
  known?: Map<string, RawFrame>,
): Sliced<SampledSegment> {
  const { nodeById, ...nodes } = yield* nodesOf(profile, known);
  const { beginMicros, endMicros, excluded, readings } = hasSameClock(profile, span)
    ? span
    : { beginMicros: profile.startTime, endMicros: profile.endTime, excluded: [], readings: undefined };
  const isOutside = (time: number): boolean =>
    time < beginMicros || time > endMicros || excluded.some(([begin, end]) => time >= begin && time <= end);
  const { samples = [], timeDeltas = [] } = profile;
  const sampled: number[] = [];
  const micros: number[] = [];
  let time = profile.startTime;
  for (let i = 0; i < samples.length; i++) {
    if (i % PIECE === 0) yield;
    time += timeDeltas[i] ?? 0;
    if (isOutside(time)) continue;
    sampled.push(nodeById[samples[i]!] ?? -1);
    micros.push(time);
  }
  const hits = yield* hitsOf(sampled, nodes);
  return {
    ...nodes,
    hits,
    nodes: sampled,
    micros: Float64Array.from(micros),
    beginMicros,
    endMicros,
    readings,
  };
}

/**
 * Limits a node's hits to its samples in the span. V8's hits cover the whole profile, and earlier samples that were not counted yet;
 * these samples are in the previous or next segment. V8 does not report which lines they hit, so hits are scaled.
 */
function* hitsOf(
  sampled: readonly number[],
  { hits, linesAfter }: Pick<SampledSegment, 'hits' | 'linesAfter'>,
): Sliced<number[]> {
  const samplesOf: number[] = [];
  for (const node of sampled) samplesOf[node] = (samplesOf[node] ?? 0) + 1;
  const left = [...hits];
  let end: number;
  for (let node = 0; node < hits.length; node = end) {
    if (node % PIECE === 0) yield;
    end = node + 1 + (linesAfter[node] ?? 0);
    const total = hits.slice(node, end).reduce((sum, hit) => sum + hit, 0);
    const part = Math.min((samplesOf[node] ?? 0) / Math.max(total, 1), 1);
    let before = 0;
    let given = 0;
    for (let line = node; line < end; line++) {
      before += hits[line]!;
      left[line] = Math.round(before * part) - given;
      given += left[line]!;
    }
  }
  return left;
}

/** The hit lines of a V8 node, as nodes with their hits. */
export function linesHit(
  { hits, linesAfter }: Pick<SampledSegment, 'hits' | 'linesAfter'>,
  node: number,
): [node: number, hits: number][] {
  return hits
    .slice(node, node + 1 + (linesAfter[node] ?? 0))
    .map((hit, i): [number, number] => [node + i, hit])
    .filter(([, hit]) => hit > 0);
}

/** Whether V8's time stamps use the clock of the readings. */
function hasSameClock({ startTime }: Profiler.Profile, { askedMicros, beginMicros }: Span): boolean {
  return startTime >= askedMicros - 1000 && startTime <= beginMicros + 1000;
}

/**
 * CPU samples of consecutive segments, with the exact line in the innermost frame and the time of each sample.
 *
 * @param use undefined if the system does not report CPU time per thread
 */
export function* cpuSamplesOf(
  segments: readonly SampledSegment[],
  use: CpuUse | undefined,
): Sliced<CpuSamples> {
  const isMeasured = use !== undefined && segments.every(({ readings }) => readings);
  const time = isMeasured ? yield* byCpuClock(segments) : yield* byRealTime(segments);
  const span = isMeasured
    ? use
    : { beginMicros: segments[0]?.beginMicros ?? 0, endMicros: segments.at(-1)?.endMicros ?? 0 };
  const joined = new JoinedSegments(span);
  let first = 0;
  for (const segment of segments) {
    const end = first + segment.hits.length;
    yield* joined.add(segment, yield* overLines(time.nanos.subarray(first, end), segment));
    first = end;
  }
  const apart = [
    { names: ['(program)'], nanos: time.unsampledNanos },
    { names: ['(profiler)'], nanos: (use?.ownNanos ?? 0) - time.totalNanos }, // V8's own work on this thread
    ...(use?.others ?? []),
  ];
  return {
    ...joined.samples(),
    apart: isMeasured ? apart : [],
    weighed: isMeasured ? BY_CPU_CLOCK : BY_REAL_TIME,
  };
}

const BY_CPU_CLOCK =
  "weighted by the thread's CPU clock; together with (program), (profiler) and (other threads) it adds up to the CPU time of the process";
const BY_REAL_TIME =
  'weighted by real time, because this system does not report CPU time per thread: blocking calls count as CPU time';

/** Joins segments; equal stacks become one. */
class JoinedSegments {
  private readonly tree = new CallTreeBuilder();
  private readonly hits: number[] = [];
  private readonly nanos: number[] = [];
  private readonly sampledNodes: number[] = [];
  private readonly deltasMicros: number[] = [];
  private lastMicros: number;

  constructor(private readonly span: { readonly beginMicros: number; readonly endMicros: number }) {
    this.lastMicros = span.beginMicros;
  }

  *add(segment: SampledSegment, nanos: ArrayLike<number>): Sliced<void> {
    const { tree, hits, nodes, micros } = segment;
    const joined: number[] = [];
    for (let node = 0; node < hits.length; node++) {
      if (node % PIECE === 0) yield;
      const same = this.tree.callee(joined[tree.parentOf[node]!] ?? -1, tree.frames[tree.frameOf[node]!]!);
      joined.push(same);
      this.hits[same] = (this.hits[same] ?? 0) + hits[node]!;
      this.nanos[same] = (this.nanos[same] ?? 0) + nanos[node]!;
    }
    for (let i = 0; i < nodes.length; i++) {
      if (i % PIECE === 0) yield;
      this.sampledNodes.push(joined[nodes[i]!] ?? -1);
      this.deltasMicros.push(micros[i]! - this.lastMicros);
      this.lastMicros = micros[i]!;
    }
  }

  samples(): Pick<CpuSamples, 'tree' | 'hits' | 'nanos' | 'durationNanos' | 'timeline'> {
    const { hits, nanos, sampledNodes: nodes, deltasMicros } = this;
    const { beginMicros, endMicros } = this.span;
    const timeline = { startMicros: beginMicros, nodes, deltasMicros };
    return {
      tree: this.tree.build(),
      hits,
      nanos,
      timeline,
      durationNanos: (endMicros - beginMicros) * 1000,
    };
  }
}

/**
 * Splits a V8 node into one node per hit line, since samples with different lines are different stacks. The lines of callers are
 * unknown.
 */
function* nodesOf(
  { nodes }: Profiler.Profile,
  known: Map<string, RawFrame> | undefined,
): Sliced<
  Pick<SampledSegment, 'tree' | 'hits' | 'linesAfter' | 'idle'> & { readonly nodeById: readonly number[] }
> {
  const tree = new CallTreeBuilder(known);
  const hits: number[] = [];
  const linesAfter: number[] = [];
  const nodeById: number[] = []; // V8 numbers them from 1, callers first
  const parentById: number[] = [];
  const idle = new Set<number>();

  for (let i = 0; i < nodes.length; i++) {
    if (i % PIECE === 0) yield;
    const { id, callFrame, hitCount = 0, positionTicks = [], children = [] } = nodes[i]!;
    for (const child of children) parentById[child] = id;
    const parentId = parentById[id];
    if (parentId === undefined) continue; // V8's (root)
    const parent = nodeById[parentId] ?? -1;
    const node = tree.node(parent, frameOf(callFrame));
    nodeById[id] = node;
    hits[node] = Math.max(hitCount - positionTicks.reduce((sum, { ticks }) => sum + ticks, 0), 0);
    linesAfter[node] = positionTicks.length;
    if (callFrame.functionName === '(idle)') idle.add(node);
    for (const { line, ticks } of positionTicks) hits[tree.node(parent, frameOf(callFrame, line))] = ticks;
  }
  return { tree: tree.build(), hits, nodeById, linesAfter, idle };
}

/** The time of the nodes of all segments, segment by segment. */
interface SpreadTime extends SharedTime {
  readonly totalNanos: number;
}

/** Weights samples by CPU time; excludes V8's work between segments. */
function* byCpuClock(segments: readonly SampledSegment[]): Sliced<SpreadTime> {
  const joined = { micros: [] as number[], cpuNanos: [] as number[] };
  const samples = { micros: [] as number[], nodes: [] as number[] };
  const idle = new Set<number>();
  let nodeCount = 0;
  let totalNanos = 0;
  for (const { hits, nodes, micros, readings, ...segment } of segments) {
    yield;
    for (const node of segment.idle) idle.add(nodeCount + node);
    for (const node of nodes) samples.nodes.push(node < 0 ? -1 : nodeCount + node);
    for (const time of micros) samples.micros.push(time);
    const { micros: times, cpuNanos } = readings!;
    for (const time of times) joined.micros.push(time);
    for (const nanos of cpuNanos) joined.cpuNanos.push(totalNanos + nanos - cpuNanos[0]!);
    nodeCount += hits.length;
    totalNanos = joined.cpuNanos.at(-1)!;
  }
  const isBusy = (node: number): boolean => node >= 0 && !idle.has(node);
  return { totalNanos, ...(yield* shareCpuTime(joined, { ...samples, isBusy }, nodeCount)) };
}

/** Weights samples by real time: each one represents the time until the next one. */
function* byRealTime(segments: readonly SampledSegment[]): Sliced<SpreadTime> {
  const nanos = new Float64Array(segments.reduce((sum, { hits }) => sum + hits.length, 0));
  let first = 0;
  for (const { hits, nodes, micros, endMicros } of segments) {
    for (let i = 0; i < nodes.length; i++) {
      if (i % PIECE === 0) yield;
      const until = micros[i + 1] ?? endMicros;
      // V8 may write a later sample with an earlier time; then the difference counts as 0.
      if (nodes[i]! >= 0) nanos[first + nodes[i]!]! += Math.max(until - micros[i]!, 0) * 1000;
    }
    first += hits.length;
  }
  return { nanos, unsampledNanos: 0, totalNanos: 0 };
}

/** Distributes the time of each V8 node over its lines, by their hits. */
function* overLines(nanos: Float64Array, { hits, linesAfter }: SampledSegment): Sliced<Float64Array> {
  const shared = new Float64Array(nanos.length);
  for (let node = 0; node < nanos.length; node++) {
    if (node % PIECE === 0) yield;
    const end = node + 1 + (linesAfter[node] ?? 0);
    let total = 0;
    for (let line = node; line < end; line++) total += hits[line]!;
    if (total === 0) shared[node]! += nanos[node]!;
    else for (let line = node; line < end; line++) shared[line]! += (nanos[node]! * hits[line]!) / total;
  }
  return shared;
}
