/**
 * What Chrome's DevTools and VS Code open: `.cpuprofile` and `.heapprofile`, the JSON of the inspector's protocol.
 *
 * It is written in pieces, since `JSON.stringify` on a large profile holds the event loop.
 *
 * @see https://chromedevtools.github.io/devtools-protocol/v8/Profiler/#type-Profile
 * @see https://chromedevtools.github.io/devtools-protocol/v8/HeapProfiler/#type-SamplingHeapProfile
 */
import type { PlaceInCode } from './builder.js';

/** Stacks that share their callers, as `sampling/` has them. */
interface Tree {
  readonly frameOf: readonly number[];
  readonly parentOf: readonly number[];
}

/** CPU samples; the arrays are by node, the timeline by sample. */
export interface DevToolsCpuSamples {
  readonly tree: Tree;
  readonly hits: readonly number[];
  readonly nanos: ArrayLike<number>;
  readonly durationNanos: number;
  readonly timeline?: {
    readonly startMicros: number;
    readonly nodes: readonly number[];
    readonly deltasMicros: readonly number[];
  };
}

/** What is alive, by node. */
export interface DevToolsHeapSamples {
  readonly tree: Tree;
  readonly objects: readonly { readonly node: number; readonly bytes: number }[];
}

/** Entries between two yields. */
const PIECE = 200;

/** The root's number; node `i` has the number `i + 2`. */
const ROOT = 1;
const ROOT_FRAME = { functionName: '(root)', scriptId: '0', url: '', lineNumber: -1, columnNumber: -1 };

/** One function under one caller: what DevTools calls a node. Its lines are ticks of that node. */
interface FunctionNode {
  readonly id: number;
  readonly frame: object;
  readonly children: FunctionNode[];
  readonly ticks: { line: number; ticks: number }[];
  hitCount: number;
  bytes: number;
}

/**
 * A `.cpuprofile`. Without a timeline each node's samples stand one after the other, in no order of time.
 *
 * @param places what is shown of each frame
 */
export function* cpuProfileText(
  { tree, hits, nanos, durationNanos, timeline }: DevToolsCpuSamples,
  places: readonly PlaceInCode[],
): Generator<void, string[]> {
  const { root, nodes } = yield* functionNodes(tree, places);
  for (let i = 0; i < hits.length; i++) {
    if (i % PIECE === 0) yield;
    const count = hits[i] ?? 0;
    if (count === 0) continue;
    const node = nodes[i]!;
    node.hitCount += count;
    const { line } = places[tree.frameOf[i]!]!;
    if (line > 0) node.ticks.push({ line, ticks: count });
  }
  const startTime = timeline?.startMicros ?? 0;
  const samples = timeline ?? (yield* inNoOrder(hits, nanos));
  const pieces = ['{"nodes":['];
  yield* writeList(pieces, depthFirst(root), ({ id, frame, children, ticks, hitCount }) => ({
    id,
    callFrame: frame,
    hitCount,
    children: children.map((child) => child.id),
    ...(ticks.length > 0 && { positionTicks: ticks }),
  }));
  pieces.push(
    `],"startTime":${startTime},"endTime":${startTime + Math.round(durationNanos / 1000)},"samples":[`,
  );
  yield* writeList(pieces, samples.nodes, (node) => nodes[node]?.id ?? ROOT);
  pieces.push('],"timeDeltas":[');
  yield* writeList(pieces, samples.deltasMicros, (delta) => delta);
  pieces.push(']}');
  return pieces;
}

/** A `.heapprofile`. */
export function* heapProfileText(
  { tree, objects }: DevToolsHeapSamples,
  places: readonly PlaceInCode[],
): Generator<void, string[]> {
  const { root, nodes } = yield* functionNodes(tree, places);
  for (const [i, { node, bytes }] of objects.entries()) {
    if (i % PIECE === 0) yield;
    nodes[node]!.bytes += bytes;
  }
  const pieces = ['{"head":'];
  yield* writeHeapNode(pieces, root);
  pieces.push(',"samples":[');
  yield* writeList(pieces, objects, ({ node, bytes }, ordinal) => ({
    size: Math.round(bytes),
    nodeId: nodes[node]!.id,
    ordinal: ordinal + 1,
  }));
  pieces.push(']}');
  return pieces;
}

/** Nodes of the same function under the same caller are one there, whatever line they are at. */
function* functionNodes(
  { frameOf, parentOf }: Tree,
  places: readonly PlaceInCode[],
): Generator<void, { root: FunctionNode; nodes: FunctionNode[] }> {
  const root = functionNode(ROOT, ROOT_FRAME);
  const nodes: FunctionNode[] = [];
  const byFunction = new Map<string, FunctionNode>();
  for (let i = 0; i < frameOf.length; i++) {
    if (i % PIECE === 0) yield;
    const parent = nodes[parentOf[i]!] ?? root;
    const { functionName, filename, startLine, line } = places[frameOf[i]!]!;
    const key = `${parent.id}\0${functionName}\0${filename}\0${startLine}`;
    let node = byFunction.get(key);
    if (!node) {
      node = functionNode(i + 2, {
        functionName,
        scriptId: '0',
        url: filename,
        lineNumber: (startLine || line) - 1,
        columnNumber: -1,
      });
      byFunction.set(key, node);
      parent.children.push(node);
    }
    nodes.push(node);
  }
  return { root, nodes };
}

function functionNode(id: number, frame: object): FunctionNode {
  return { id, frame, children: [], ticks: [], hitCount: 0, bytes: 0 };
}

function* depthFirst(root: FunctionNode): Generator<FunctionNode, void> {
  const pending = [root];
  for (let node = pending.pop(); node; node = pending.pop()) {
    yield node;
    for (const child of node.children) pending.push(child);
  }
}

function* inNoOrder(
  hits: readonly number[],
  nanos: ArrayLike<number>,
): Generator<void, { nodes: number[]; deltasMicros: number[] }> {
  const nodes: number[] = [];
  const deltasMicros: number[] = [];
  for (let node = 0; node < hits.length; node++) {
    if (node % PIECE === 0) yield;
    const count = hits[node] ?? 0;
    const delta = Math.round(nanos[node]! / count / 1000);
    for (let i = 0; i < count; i++) {
      nodes.push(node);
      deltasMicros.push(delta);
    }
  }
  return { nodes, deltasMicros };
}

/** As deep as V8's stacks, which is at most 128 here. */
function* writeHeapNode(
  pieces: string[],
  { id, frame, bytes, children }: FunctionNode,
): Generator<void, void> {
  if (id % PIECE === 0) yield;
  pieces.push(
    `{"callFrame":${JSON.stringify(frame)},"selfSize":${Math.round(bytes)},"id":${id},"children":[`,
  );
  for (const [i, child] of children.entries()) {
    if (i > 0) pieces.push(',');
    yield* writeHeapNode(pieces, child);
  }
  pieces.push(']}');
}

function* writeList<T>(
  pieces: string[],
  entries: Iterable<T>,
  jsonOf: (entry: T, i: number) => unknown,
): Generator<void, void> {
  let piece: string[] = [];
  let i = 0;
  for (const entry of entries) {
    if (i > 0 && i % PIECE === 0) {
      pieces.push(`${piece.join()},`);
      piece = [];
      yield;
    }
    piece.push(JSON.stringify(jsonOf(entry, i++)));
  }
  pieces.push(piece.join());
}
