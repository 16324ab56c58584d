import type { Runtime } from 'node:inspector';
import { CallTreeBuilder, frameOf } from './call-tree-builder.js';
import { liveObjectsOf, type PprofAllocationNode } from './pprof-samples.js';
import type { HeapSamples, SampledObjects, Sliced } from './sampler.js';

/** Nodes or samples between two yields. */
const PIECE = 1000;

/** V8 aligns objects on the heap to words. */
const WORD = 8;

const ESTIMATES = 'object counts are estimates: V8 reports bytes only';
const COLLECTS = 'V8 collected garbage before this reading, as it always does with this sampler';

/** V8's profile from the inspector. Node's types lack the samples. */
export interface SamplingHeapProfile {
  readonly head: SamplingHeapProfileNode;
  readonly samples: readonly HeapSample[];
}

interface HeapSample {
  readonly nodeId: number;
  /** Size of the sampled object times the number of objects that it represents. */
  readonly size: number;
  /** V8 numbers samples in the order of allocation. */
  readonly ordinal: number;
}

interface SamplingHeapProfileNode {
  readonly id: number;
  readonly callFrame: Runtime.CallFrame;
  readonly children: readonly SamplingHeapProfileNode[];
}

const NOTHING: { head: Pick<SamplingHeapProfileNode, 'children'>; samples: readonly HeapSample[] } = {
  head: { children: [] },
  samples: [],
};

/** A raw reading of V8's heap sampler. */
export interface RawHeap {
  /** Undefined if new allocations are not needed. */
  readonly profile: SamplingHeapProfile | undefined;
  /** The same from the `pprof` package, which reports object sizes but no ordinals. */
  readonly native: PprofAllocationNode | undefined;
  /** The last ordinal of the previous reading. */
  readonly after: number;
  readonly rate: number;
  readonly keepsDead: boolean;
}

/** Live objects, and new ones since the previous reading, in one call tree. */
export function* heapSamplesOf({ profile, native, after, rate, keepsDead }: RawHeap): Sliced<HeapSamples> {
  const tree = new CallTreeBuilder();
  const known = native && (yield* liveObjectsOf(native, tree));
  const { head, samples } = profile ?? NOTHING;
  const nodeById = yield* addNodes(head, tree);
  const sizes = new ObjectSizes(rate, known ?? []);
  const newSamples = samples.filter(({ ordinal }) => ordinal > after);
  return {
    tree: tree.build(),
    live: keepsDead ? undefined : (known ?? (yield* objectsOf(samples, nodeById, sizes))),
    allocated: yield* objectsOf(newSamples, nodeById, sizes),
    caveats: native || !profile ? [] : keepsDead ? [ESTIMATES] : [ESTIMATES, COLLECTS],
  };
}

/** @returns the tree's node for each V8 node id */
function* addNodes(head: Pick<SamplingHeapProfileNode, 'children'>, tree: CallTreeBuilder): Sliced<number[]> {
  const nodeById: number[] = [];
  const pending = head.children.map((node) => ({ node, parent: -1 }));
  for (let next = pending.pop(), count = 1; next; next = pending.pop(), count++) {
    if (count % PIECE === 0) yield;
    const node = tree.callee(next.parent, frameOf(next.node.callFrame));
    nodeById[next.node.id] = node;
    for (const child of next.node.children) pending.push({ node: child, parent: node });
  }
  return nodeById;
}

/** Sums up samples of the same size at the same node. */
function* objectsOf(
  samples: readonly HeapSample[],
  nodeById: readonly number[],
  sizes: ObjectSizes,
): Sliced<SampledObjects[]> {
  const objects = new Map<string, SampledObjects>();
  for (let i = 0; i < samples.length; i++) {
    if (i % PIECE === 0) yield;
    const { nodeId, size: product } = samples[i]!;
    const node = nodeById[nodeId];
    if (node === undefined || product === 0) continue;
    const { size, count } = sizes.of(node, product);
    const key = `${node}/${size}`;
    const sum = objects.get(key);
    objects.set(key, {
      node,
      count: (sum?.count ?? 0) + count,
      bytes: (sum?.bytes ?? 0) + size * count,
    });
  }
  return [...objects.values()];
}

/** Splits a sample's product into object size and number of objects. Cached, since many samples have the same product. */
class ObjectSizes {
  private readonly known = new Map<string, Factors>();
  private readonly guessed = new Map<number, Factors>();

  /** @param objects objects with known sizes */
  constructor(
    private readonly rate: number,
    objects: readonly SampledObjects[],
  ) {
    for (const { node, bytes, count } of objects) {
      const size = Math.round(bytes / count);
      this.known.set(`${node}/${size * weightOf(size, rate)}`, { size, count: exactWeightOf(size, rate) });
    }
  }

  of(node: number, product: number): Factors {
    return this.known.get(`${node}/${product}`) ?? this.guessed.get(product) ?? this.guess(product);
  }

  private guess(product: number): Factors {
    const size = likelyObjectSize(product, this.rate);
    const factors = { size, count: product / size };
    this.guessed.set(product, factors);
    return factors;
  }
}

interface Factors {
  readonly size: number;
  readonly count: number;
}

/**
 * Estimates the object size of a heap sample of the inspector.
 *
 * V8 samples an object of size `s` with the probability `1 - exp(-s / rate)`, and counts it as `round(1 / (1 - exp(-s / rate)))`
 * objects. The inspector reports only the product of size and number, so this searches for a size that results in the product. If
 * there are several, it returns the smallest, which is right for a third of all sizes and mostly within a factor of two.
 *
 * @param bytes size of the sample as the inspector reports it
 * @param rate mean number of bytes between samples
 */
export function likelyObjectSize(bytes: number, rate: number): number {
  // The product is rate + size / 2, ± size / 2 due to rounding, and a twelfth for large objects.
  const least = Math.max((bytes - rate) * 0.9, WORD);
  for (let size = Math.ceil(least / WORD) * WORD; size <= bytes && size <= rate; size += WORD) {
    if (bytes % size === 0 && size * weightOf(size, rate) === bytes) return size;
  }
  return bytes;
}

/** Number of objects of a size that one sample represents, rounded as in V8. */
function weightOf(size: number, rate: number): number {
  return Math.floor(exactWeightOf(size, rate) + 0.5);
}

/** The same, not rounded. */
function exactWeightOf(size: number, rate: number): number {
  return 1 / (1 - Math.exp(-size / rate));
}
