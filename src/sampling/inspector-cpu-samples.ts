import type { Profiler } from 'node:inspector';
import { CallTreeBuilder, frameOf } from './call-tree-builder.js';
import type { CpuReadings } from './cpu-readings.js';
import { shareCpuTime } from './cpu-slices.js';
import type { CallTree, CpuSamples, Sliced, TimeApart } from './sampler.js';

/** Nodes or samples between two yields. */
const PIECE = 200;

/** What is measured beside V8's samples, to weigh them. */
export interface Measured {
  readonly beginMicros: number;
  /** CPU time of the thread before V8 began its profile, and after it ended it. */
  readonly beginNanos: number;
  readonly endNanos: number;
  /** From when V8 had begun until it was told to end. */
  readonly readings: CpuReadings;
  /** What other threads took. */
  readonly others: readonly TimeApart[];
}

/** V8's profile, with its nodes in our order. */
interface Nodes {
  readonly tree: CallTree;
  readonly hits: readonly number[];
  /** For each of V8's nodes, by its number, ours. One that was hit in several lines has more than one: these follow it. */
  readonly nodeById: readonly number[];
  /** For each node how many lines of the same V8 node follow it. */
  readonly linesAfter: readonly number[];
  readonly idle: ReadonlySet<number>;
}

/**
 * CPU samples of V8's profile: the exact line in the innermost frame, and the time of each sample.
 *
 * @param measured undefined where the system does not tell the CPU time of a thread
 */
export function* cpuSamplesOf(profile: Profiler.Profile, measured: Measured | undefined): Sliced<CpuSamples> {
  const nodes = yield* nodesOf(profile);
  const timeline = yield* timelineOf(profile, nodes);
  const isMeasured = measured !== undefined && hasSameClock(profile, measured);
  const weighed = isMeasured
    ? yield* byCpuClock(timeline, nodes, measured)
    : { nanos: yield* byRealTime(timeline, nodes, profile.endTime), apart: [] };
  return {
    tree: nodes.tree,
    hits: nodes.hits,
    nanos: yield* overLines(weighed.nanos, nodes),
    apart: weighed.apart,
    durationNanos: (profile.endTime - profile.startTime) * 1000,
    weighed: isMeasured
      ? "weighted by the thread's CPU clock; with (program), (profiler) and (other threads) they are the CPU time of the process"
      : 'weighted by real time, since this system does not tell the CPU time of a thread: calls that block count as if they computed',
    timeline: {
      startMicros: profile.startTime,
      nodes: timeline.nodes,
      deltasMicros: profile.timeDeltas ?? [],
    },
  };
}

/**
 * A node of V8's becomes one for each line that was hit in it, since samples with different lines are different stacks;
 * the callers' lines are not known here.
 */
function* nodesOf({ nodes }: Profiler.Profile): Sliced<Nodes> {
  const tree = new CallTreeBuilder();
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

interface Samples {
  readonly nodes: number[];
  readonly micros: Float64Array;
}

function* timelineOf(
  { samples = [], timeDeltas = [], startTime }: Profiler.Profile,
  { nodeById }: Nodes,
): Sliced<Samples> {
  const micros = new Float64Array(samples.length);
  const nodes: number[] = [];
  let time = startTime;
  for (let i = 0; i < samples.length; i++) {
    if (i % PIECE === 0) yield;
    time += timeDeltas[i] ?? 0;
    micros[i] = time;
    nodes.push(nodeById[samples[i]!] ?? -1);
  }
  return { nodes, micros };
}

/** Whether V8 stamps its samples with the clock that the readings have. */
function hasSameClock({ startTime }: Profiler.Profile, { beginMicros, readings }: Measured): boolean {
  return startTime >= beginMicros - 1000 && startTime <= readings.micros[0]! + 1000;
}

function* byCpuClock(
  { nodes, micros }: Samples,
  { tree, idle }: Nodes,
  measured: Measured,
): Sliced<{ nanos: Float64Array; apart: TimeApart[] }> {
  const samples = { nodes, micros, isBusy: (node: number) => node >= 0 && !idle.has(node) };
  const { nanos, unsampledNanos } = yield* shareCpuTime(measured.readings, samples, tree.frameOf.length);
  const program = { names: ['(program)'], nanos: unsampledNanos };
  return { nanos, apart: [program, profilerOf(measured), ...measured.others] };
}

/** What V8 itself took on this thread to begin and to end. */
function profilerOf({ beginNanos, endNanos, readings: { cpuNanos } }: Measured): TimeApart {
  const sampled = cpuNanos.at(-1)! - cpuNanos[0]!;
  return { names: ['(profiler)'], nanos: endNanos - beginNanos - sampled };
}

/** A sample stands for the time from it to the next one. */
function* byRealTime({ nodes, micros }: Samples, { tree }: Nodes, endTime: number): Sliced<Float64Array> {
  const nanos = new Float64Array(tree.frameOf.length);
  for (let i = 0; i < nodes.length; i++) {
    if (i % PIECE === 0) yield;
    const node = nodes[i]!;
    const until = micros[i + 1] ?? endTime;
    // V8 may write a later sample with an earlier time: such a stretch counts as none.
    if (node >= 0) nanos[node]! += Math.max(until - micros[i]!, 0) * 1000;
  }
  return nanos;
}

/** Shares the time of each of V8's nodes among its lines, by their hits. */
function* overLines(nanos: Float64Array, { hits, linesAfter }: Nodes): Sliced<Float64Array> {
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
