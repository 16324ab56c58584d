import type { Runtime } from 'node:inspector';
import { CallTreeBuilder } from './call-tree-builder.js';
import { rateOfProducts } from './heap-rate.js';
import { frameOf } from './inspector-cpu.js';
import { InspectorSession } from './inspector-session.js';
import { exactWeightOf, likelyObjectSize, weightOf } from './object-size.js';
import type {
  CallTree,
  HeapEpoch,
  HeapReading,
  HeapSampler,
  HeapSamples,
  SampledObjects,
  Sliced,
} from './sampler.js';

/**
 * V8's frame limit of a heap sample. Node 26 takes a deeper one and aborts the process when such a profile is
 * read (its JSON nests too deep); older versions have this one and no other.
 */
export const HEAP_STACK_DEPTH = 128;

/** Nodes or samples between two yields. */
const PIECE = 200;

const CAVEAT =
  'object counts are estimates: this sampler knows bytes only; it collected garbage for this reading, as it always does';

interface SamplingHeapProfile {
  readonly head: SamplingHeapProfileNode;
  readonly samples: readonly HeapSample[];
}
interface HeapSample {
  readonly nodeId: number;
  readonly size: number;
  readonly ordinal: number;
}
interface SamplingHeapProfileNode {
  readonly id: number;
  readonly callFrame: Runtime.CallFrame;
  readonly children: readonly SamplingHeapProfileNode[];
}

/** A native package that samples what is alive in place of the inspector. */
export interface NativeSampling {
  start(): void;
  stop(): void;
  /** The size of the objects behind a sample, where the package has told it. */
  objectSize(bytes: number): number | undefined;
}

/** The heap sampled by the inspector, in a session that stays open as long. */
export class InspectorHeapSampler implements HeapSampler {
  readonly name = 'inspector';
  private readonly session = new InspectorSession();
  private epoch: HeapEpoch = { keepsDead: false, before: undefined };
  private keepers = 0;

  /**
   * @param leaves whether the sampler is someone else's, who wants it to run on when this one is stopped
   * @param native who samples what is alive; then nothing is collected for a reading
   */
  constructor(
    readonly rate: number,
    private readonly leaves = isSampling(),
    private readonly native?: NativeSampling,
  ) {
    this.ensureStarted();
  }

  read(): HeapReading {
    this.ensureStarted();
    const { profile } = this.session.post<{ profile: SamplingHeapProfile }>(
      'HeapProfiler.getSamplingProfile',
    );
    return {
      epoch: this.epoch,
      lastOrdinal: profile.samples.reduce((last, { ordinal }) => Math.max(last, ordinal), 0),
      live: this.epoch.keepsDead ? undefined : () => this.samplesOf(profile, 0),
      allocatedAfter: (ordinal) => this.samplesOf(profile, ordinal),
    };
  }

  /**
   * Makes sure that V8 samples: someone else may have stopped its one sampler, and to read it then fails, or
   * crashes a native reader. A few microseconds, and nothing happens, where it runs.
   */
  ensureStarted(): void {
    const { keepsDead } = this.epoch;
    if (!keepsDead) this.native?.start();
    this.session.post('HeapProfiler.startSampling', {
      samplingInterval: this.rate,
      stackDepth: HEAP_STACK_DEPTH,
      includeObjectsCollectedByMajorGC: keepsDead,
      includeObjectsCollectedByMinorGC: keepsDead,
    });
  }

  keepDead(): number {
    if (this.leaves) throw new Error("V8's heap sampler was started by someone else: it is left as it is");
    if (this.keepers++ > 0) return this.read().lastOrdinal;
    this.begin(true);
    return 0;
  }

  dropDead(): void {
    if (--this.keepers === 0) this.begin(false);
  }

  stop(): void {
    if (this.leaves) return;
    this.keepers = 0; // a window that is still open has nothing to drop, and must not start V8's sampler anew
    this.session.close(); // which stops V8's sampler; the command for it fails where someone else has stopped it
    this.native?.stop();
  }

  /** @param after only samples with a greater ordinal */
  private *samplesOf({ head, samples }: SamplingHeapProfile, after: number): Sliced<HeapSamples> {
    const sizes = samples.map(({ size }) => size).filter((size) => size > 0);
    const rate = rateOfProducts(sizes, this.rate);
    const { tree, nodeById } = yield* treeOf(head);
    const wanted = samples.filter(({ ordinal }) => ordinal > after);
    const objectSize = (bytes: number): number =>
      this.native?.objectSize(bytes) ?? likelyObjectSize(bytes, rate);
    const objects = yield* objectsOf(wanted, nodeById, rate, objectSize);
    return { tree, objects, rate, caveat: this.native ? undefined : CAVEAT };
  }

  private begin(keepsDead: boolean): void {
    this.ensureStarted(); // to stop it fails where someone else has
    if (this.native && !this.epoch.keepsDead) this.native.stop();
    else this.session.post('HeapProfiler.stopSampling');
    this.epoch = { keepsDead, before: { time: new Date(), heapUsed: process.memoryUsage().heapUsed } };
    this.ensureStarted();
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

function* treeOf(
  head: SamplingHeapProfileNode,
): Sliced<{ readonly tree: CallTree; readonly nodeById: readonly number[] }> {
  const tree = new CallTreeBuilder();
  const nodeById: number[] = [];
  const pending = head.children.map((node) => ({ node, parent: -1 }));
  for (let next = pending.pop(), count = 0; next; next = pending.pop(), count++) {
    if (count % PIECE === 0) yield;
    const node = tree.node(next.parent, frameOf(next.node.callFrame));
    nodeById[next.node.id] = node;
    for (const child of next.node.children) pending.push({ node: child, parent: node });
  }
  return { tree: tree.build(), nodeById };
}

/** Samples of the same size at the same node together. */
function* objectsOf(
  samples: readonly HeapSample[],
  nodeById: readonly number[],
  rate: number,
  objectSizeOf: (bytes: number) => number,
): Sliced<SampledObjects[]> {
  const objects = new Map<string, SampledObjects>();
  const sizes = new Map<number, number>(); // few sizes, many samples
  for (let i = 0; i < samples.length; i++) {
    if (i % PIECE === 0) yield;
    const { nodeId, size: bytes } = samples[i]!;
    const node = nodeById[nodeId];
    if (node === undefined || bytes === 0) continue;
    const objectSize = sizes.get(bytes) ?? objectSizeOf(bytes);
    sizes.set(bytes, objectSize);
    const isSure = objectSize * weightOf(objectSize, rate) === bytes;
    const weight = isSure ? exactWeightOf(objectSize, rate) : bytes / objectSize;
    const key = `${node}/${objectSize}`;
    const count = (objects.get(key)?.count ?? 0) + weight;
    objects.set(key, { node, count, bytes: count * objectSize });
  }
  return [...objects.values()];
}
