import type { Runtime } from 'node:inspector';
import { CallTreeBuilder } from './call-tree-builder.js';
import { rateOfProducts } from './heap-rate.js';
import { frameOf } from './inspector-frame.js';
import { likelyObjectSize } from './object-size.js';
import type { HeapSamples, LiveObjects, Sliced } from './sampler.js';

/** Nodes or samples between two yields. */
const PIECE = 1000;

const CAVEAT =
  'object counts are estimates: this sampler knows bytes only; it collected garbage for this reading, as it always does';

/** V8's profile; the types of Node have no samples in it. */
export interface SamplingHeapProfile {
  readonly head: SamplingHeapProfileNode;
  readonly samples: readonly { readonly nodeId: number; readonly size: number }[];
}

interface SamplingHeapProfileNode {
  readonly id: number;
  readonly callFrame: Runtime.CallFrame;
  readonly children: readonly SamplingHeapProfileNode[];
}

/**
 * What is alive, from V8's profile.
 *
 * @param asked the sampler's rate, if the samples don't show another
 */
export function* heapSamplesOf({ head, samples }: SamplingHeapProfile, asked: number): Sliced<HeapSamples> {
  const tree = new CallTreeBuilder();
  const nodeById = new Map<number, number>();
  const pending = head.children.map((node) => ({ node, parent: -1 }));
  for (let next = pending.pop(); next; next = pending.pop()) {
    if (nodeById.size % PIECE === 0) yield;
    const node = tree.node(next.parent, frameOf(next.node.callFrame));
    nodeById.set(next.node.id, node);
    for (const child of next.node.children) pending.push({ node: child, parent: node });
  }
  const sizes = samples.map(({ size }) => size).filter((size) => size > 0);
  const rate = rateOfProducts(sizes, asked);
  const objects = yield* objectsOf(samples, nodeById, rate);
  return { tree: tree.build(), objects, rate, caveat: CAVEAT };
}

/** Samples of the same size at the same node together. */
function* objectsOf(
  samples: SamplingHeapProfile['samples'],
  nodeById: ReadonlyMap<number, number>,
  rate: number,
): Sliced<LiveObjects[]> {
  const objects = new Map<string, LiveObjects>();
  const sizes = new Map<number, number>(); // few sizes, many samples
  for (let i = 0; i < samples.length; i++) {
    if (i % PIECE === 0) yield;
    const { nodeId, size: bytes } = samples[i]!;
    const node = nodeById.get(nodeId);
    if (node === undefined || bytes === 0) continue;
    const objectSize = sizes.get(bytes) ?? likelyObjectSize(bytes, rate);
    sizes.set(bytes, objectSize);
    const key = `${node}/${objectSize}`;
    const before = objects.get(key);
    objects.set(key, {
      node,
      bytes: (before?.bytes ?? 0) + bytes,
      count: (before?.count ?? 0) + bytes / objectSize,
    });
  }
  return [...objects.values()];
}
