import { CallTreeBuilder } from './call-tree-builder.js';
import type { CpuSamples, RawFrame, SampledObjects, Sliced, TimeApart } from './sampler.js';

interface PprofNode<Node> {
  readonly name: string;
  readonly scriptName: string;
  readonly scriptId: number;
  readonly lineNumber: number;
  readonly columnNumber: number;
  readonly children: readonly Node[];
}

interface PprofTimeNode extends PprofNode<PprofTimeNode> {
  readonly hitCount: number;
}

/** CPU samples as the package returns them. */
export interface PprofTimeProfile {
  readonly topDownRoot: PprofTimeNode;
  /** In microseconds. */
  readonly startTime: number;
  readonly endTime: number;
}

/** Live objects as the package returns them. */
export interface PprofAllocationNode extends PprofNode<PprofAllocationNode> {
  readonly allocations: readonly { readonly count: number; readonly sizeBytes: number }[];
}

/** Nodes between two yields. */
const PIECE = 200;

/** V8's work to end a profile appears in the profile under the function that ends it. */
const PROFILER: RawFrame = {
  functionName: '(profiler)',
  url: '',
  scriptId: 0,
  functionLine: 0,
  functionColumn: 0,
  line: 0,
};

function isOwnEnd(
  { name, scriptName }: PprofTimeNode,
  parent: number,
  profiler: number | undefined,
): boolean {
  return (
    parent === profiler || (name === 'stopProfiling' && scriptName.endsWith('time-profiler-bindings.js'))
  );
}

/**
 * CPU samples of the package's profile. In this mode a frame's line is the executing one; the profile does not contain where
 * functions begin.
 *
 * @param apart CPU time of other threads
 */
export function* cpuSamplesOf(
  { topDownRoot, startTime, endTime }: PprofTimeProfile,
  apart: readonly TimeApart[],
): Sliced<CpuSamples> {
  const tree = new CallTreeBuilder();
  const hits: number[] = [];
  let total = 0;
  let profiler: number | undefined;
  yield* walk(topDownRoot, (raw, parent) => {
    const node = isOwnEnd(raw, parent, profiler)
      ? (profiler ??= tree.callee(-1, PROFILER))
      : tree.callee(parent, { ...frameOf(raw), functionLine: 0, functionColumn: 0 });
    hits[node] = (hits[node] ?? 0) + raw.hitCount;
    total += raw.hitCount;
    return node;
  });
  const durationNanos = (endTime - startTime) * 1000;
  const nanosPerHit = total === 0 ? 0 : durationNanos / total;
  return {
    tree: tree.build(),
    hits,
    nanos: yield* scaled(hits, nanosPerHit),
    apart,
    durationNanos,
    weighed: 'weighted by real time: blocking calls count as CPU time; (other threads) is measured CPU time',
  };
}

function* scaled(numbers: readonly number[], factor: number): Sliced<Float64Array> {
  const result = new Float64Array(numbers.length);
  for (let i = 0; i < numbers.length; i++) {
    if (i % PIECE === 0) yield;
    result[i] = numbers[i]! * factor;
  }
  return result;
}

/** Live objects in the package's profile. */
export function* liveObjectsOf(root: PprofAllocationNode, tree: CallTreeBuilder): Sliced<SampledObjects[]> {
  const objects: SampledObjects[] = [];
  yield* walk(root, (raw, parent) => {
    const node = tree.callee(parent, frameOf(raw));
    for (const { count, sizeBytes } of raw.allocations)
      objects.push({ node, count, bytes: count * sizeBytes });
    return node;
  });
  return objects;
}

function frameOf({
  name,
  scriptName,
  scriptId,
  lineNumber,
  columnNumber,
}: Omit<PprofNode<unknown>, 'children'>): RawFrame {
  return {
    functionName: name,
    url: scriptName,
    scriptId,
    functionLine: lineNumber,
    functionColumn: columnNumber,
    line: lineNumber,
  };
}

/** Visits every node under a root, callers first. `parent` is what the visit of the caller returned. */
function* walk<Node extends PprofNode<Node>>(
  root: Node,
  visit: (raw: Node, parent: number) => number,
): Sliced<void> {
  const pending = root.children.map((raw) => ({ raw, parent: -1 }));
  let visited = 0;
  for (let next = pending.pop(); next; next = pending.pop()) {
    if (++visited % PIECE === 0) yield;
    const parent = visit(next.raw, next.parent);
    for (const raw of next.raw.children) pending.push({ raw, parent });
  }
}
