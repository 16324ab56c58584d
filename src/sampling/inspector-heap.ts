import type { Runtime } from 'node:inspector';
import { CallTreeBuilder } from './call-tree-builder.js';
import { rateOfProducts } from './heap-rate.js';
import { frameOf } from './inspector-cpu.js';
import { InspectorSession } from './inspector-session.js';
import { likelyObjectSize } from './object-size.js';
import type { HeapSampler, HeapSamples, LiveObjects, Sliced } from './sampler.js';

/**
 * V8's frame limit of a heap sample. Node 26 takes a deeper one and aborts the process when such a profile is
 * read (its JSON nests too deep); older versions have this one and no other.
 */
export const HEAP_STACK_DEPTH = 128;

/** Nodes or samples between two yields. */
const PIECE = 1000;

const CAVEAT =
  'object counts are estimates: this sampler knows bytes only; it collected garbage for this reading, as it always does';

interface SamplingHeapProfile {
  readonly head: SamplingHeapProfileNode;
  readonly samples: readonly { readonly nodeId: number; readonly size: number }[];
}
interface SamplingHeapProfileNode {
  readonly id: number;
  readonly callFrame: Runtime.CallFrame;
  readonly children: readonly SamplingHeapProfileNode[];
}

/** The heap sampled by the inspector, in a session that stays open as long. */
export class InspectorHeapSampler implements HeapSampler {
  readonly name = 'inspector';
  private readonly session = new InspectorSession();

  /** @param leaves whether the sampler is someone else's, who wants it to run on when this one is stopped */
  constructor(
    readonly rate: number,
    private readonly leaves = isSampling(),
  ) {
    this.ensureStarted();
  }

  read(): Sliced<HeapSamples> {
    this.ensureStarted();
    const { profile } = this.session.post<{ profile: SamplingHeapProfile }>(
      'HeapProfiler.getSamplingProfile',
    );
    return samplesOf(profile, this.rate);
  }

  /**
   * Makes sure that V8 samples: someone else may have stopped its one sampler, and to read it then fails, or
   * crashes a native reader. A few microseconds, and nothing happens, where it runs.
   */
  ensureStarted(): void {
    this.session.post('HeapProfiler.startSampling', {
      samplingInterval: this.rate,
      stackDepth: HEAP_STACK_DEPTH,
    });
  }

  stop(): void {
    if (this.leaves) return;
    this.session.close(); // which stops V8's sampler; the command for it fails where someone else has stopped it
  }
}

/**
 * Whether V8 samples already: `--heap-prof` does, and writes its file at the end. V8 tells by the whole profile only, which
 * is small when a process starts.
 */
export function isSampling(): boolean {
  const session = new InspectorSession();
  try {
    session.post('HeapProfiler.getSamplingProfile');
    return true;
  } catch {
    return false;
  } finally {
    session.close();
  }
}

function* samplesOf({ head, samples }: SamplingHeapProfile, asked: number): Sliced<HeapSamples> {
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
