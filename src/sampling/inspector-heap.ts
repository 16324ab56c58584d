import type { Runtime } from 'node:inspector';
import { CallTreeBuilder } from './call-tree-builder.js';
import { rateOfProducts } from './heap-rate.js';
import { frameOf } from './inspector-cpu.js';
import { InspectorSession } from './inspector-session.js';
import { exactWeightOf, likelyObjectSize, weightOf } from './object-size.js';
import type {
  CallTree,
  HeapEpoch,
  HeapMark,
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

/** The same where a native package, which knows sizes, starts the sampler at other times. */
const WINDOW_CAVEAT =
  'object counts are estimates: where V8 keeps what is dead it tells bytes only; it collected garbage for this reading';

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

/** A native package that samples beside the inspector, by the same sampler of V8's. */
export interface NativeSampling {
  start(): void;
  stop(): void;
  read(): NativeReading;
}

/** What it knows beyond the inspector: sizes. It knows no ordinals. */
export interface NativeReading {
  readonly root: NativeNode;
  samples(): Sliced<HeapSamples>;
}

/** A function under its caller, as {@link SamplingHeapProfileNode}. */
export interface NativeNode {
  readonly name: string;
  readonly scriptId: number;
  /** From 1. */
  readonly lineNumber: number;
  readonly columnNumber: number;
  readonly children: readonly NativeNode[];
  readonly allocations: readonly { readonly sizeBytes: number }[];
}

/** The heap sampled by the inspector, in a session that stays open as long. */
export class InspectorHeapSampler implements HeapSampler {
  readonly name = 'inspector';
  private readonly session = new InspectorSession();
  private epoch: HeapEpoch = { keepsDead: false, before: undefined };
  private keepers = 0;
  private isStopped = false;

  /**
   * @param leaves whether the sampler is someone else's, who wants it to run on when this one is stopped
   * @param native who starts the sampler; then nothing is collected for a reading, but where dead objects are kept
   */
  constructor(
    readonly rate: number,
    private readonly leaves = isSampling(),
    private readonly native?: NativeSampling,
  ) {
    this.ensureStarted();
  }

  get canKeepDead(): boolean {
    return !this.leaves;
  }

  read(): HeapReading {
    const profile = this.profile();
    this.ensureStarted(); // the native package may have to be told that it runs
    const { epoch } = this;
    const native = epoch.keepsDead ? undefined : this.native?.read();
    return {
      epoch,
      lastOrdinal: profile.samples.reduce((last, { ordinal }) => Math.max(last, ordinal), 0),
      live: epoch.keepsDead ? undefined : () => native?.samples() ?? this.samplesOf(profile, 0),
      allocatedAfter: (ordinal) => this.samplesOf(profile, ordinal, native?.root),
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

  keepDead(): HeapMark {
    if (this.keepers++ === 0) {
      this.begin(true);
      return { epoch: this.epoch, ordinal: 0 };
    }
    const { epoch, lastOrdinal } = this.read();
    return { epoch, ordinal: lastOrdinal };
  }

  dropDead(): void {
    if (--this.keepers === 0 && !this.isStopped) this.begin(false);
  }

  stop(): void {
    this.isStopped = true;
    if (this.leaves) return;
    this.session.close(); // which stops V8's sampler; the command for it fails where someone else has stopped it
    this.native?.stop();
  }

  /**
   * @param after only samples with a greater ordinal
   * @param native the same tree, as the native package has it
   */
  private *samplesOf(
    { head, samples }: SamplingHeapProfile,
    after: number,
    native?: NativeNode,
  ): Sliced<HeapSamples> {
    const products = samples.map(({ size }) => size).filter((size) => size > 0);
    const rate = rateOfProducts(products, this.rate);
    const { tree, nodeById, twins } = yield* treeOf(head, native);
    const wanted = samples.filter(({ ordinal }) => ordinal > after);
    const objects = yield* objectsOf(wanted, nodeById, new ObjectSizes(rate, twins));
    return { tree, objects, rate, caveat: this.native ? (native ? undefined : WINDOW_CAVEAT) : CAVEAT };
  }

  /** Where someone else has stopped the sampler, that of a new one. */
  private profile(): SamplingHeapProfile {
    const read = (): SamplingHeapProfile =>
      this.session.post<{ profile: SamplingHeapProfile }>('HeapProfiler.getSamplingProfile').profile;
    try {
      return read();
    } catch {
      this.epoch = epochAfter('stop', this.epoch.keepsDead);
      this.ensureStarted();
      return read();
    }
  }

  private begin(keepsDead: boolean): void {
    this.ensureStarted(); // to stop it fails where someone else has
    if (this.native && !this.epoch.keepsDead) this.native.stop();
    else this.session.post('HeapProfiler.stopSampling');
    this.epoch = epochAfter('window', keepsDead);
    this.ensureStarted();
  }
}

function epochAfter(cause: 'window' | 'stop', keepsDead: boolean): HeapEpoch {
  return { keepsDead, before: { cause, time: new Date(), heapUsed: process.memoryUsage().heapUsed } };
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

interface Nodes {
  readonly tree: CallTree;
  readonly nodeById: readonly number[];
  /** By node of the tree. */
  readonly twins: readonly (NativeNode | undefined)[];
}

function* treeOf(head: SamplingHeapProfileNode, native: NativeNode | undefined): Sliced<Nodes> {
  const tree = new CallTreeBuilder();
  const nodeById: number[] = [];
  const twins: (NativeNode | undefined)[] = [];
  const pending = [...pairs(head, native, -1)];
  for (let next = pending.pop(), count = 0; next; next = pending.pop(), count++) {
    if (count % PIECE === 0) yield;
    const node = tree.node(next.parent, frameOf(next.node.callFrame));
    nodeById[next.node.id] = node;
    twins[node] = next.twin;
    pending.push(...pairs(next.node, next.twin, node));
  }
  return { tree: tree.build(), nodeById, twins };
}

interface Pair {
  readonly node: SamplingHeapProfileNode;
  /** There is none if it came, or has gone, between two readings. */
  readonly twin: NativeNode | undefined;
  /** Of the tree. */
  readonly parent: number;
}

/** What a function has called, in both trees. */
function* pairs(
  { children }: SamplingHeapProfileNode,
  native: NativeNode | undefined,
  parent: number,
): Iterable<Pair> {
  const twins = new Map(
    native?.children.map((twin) => [
      `${twin.scriptId}/${twin.lineNumber}/${twin.columnNumber}/${twin.name}`,
      twin,
    ]),
  );
  for (const node of children) {
    const { scriptId, lineNumber, columnNumber, functionName } = node.callFrame;
    const twin = twins.get(`${scriptId}/${lineNumber + 1}/${columnNumber + 1}/${functionName}`);
    yield { node, twin, parent };
  }
}

/** What stands behind samples: the inspector tells only the product of two factors, each object's size and how many. */
class ObjectSizes {
  /** By the product: few sizes, many samples. */
  private readonly guesses = new Map<number, number>();

  constructor(
    private readonly rate: number,
    private readonly twins: readonly (NativeNode | undefined)[],
  ) {}

  of(node: number, product: number): { readonly size: number; readonly count: number } {
    const size = this.known(node, product) ?? this.guess(product);
    return { size, count: this.fits(size, product) ? exactWeightOf(size, this.rate) : product / size };
  }

  private known(node: number, product: number): number | undefined {
    return this.twins[node]?.allocations.find(({ sizeBytes }) => this.fits(sizeBytes, product))?.sizeBytes;
  }

  private guess(product: number): number {
    const guess = this.guesses.get(product) ?? likelyObjectSize(product, this.rate);
    this.guesses.set(product, guess);
    return guess;
  }

  private fits(size: number, product: number): boolean {
    return size * weightOf(size, this.rate) === product;
  }
}

/** Samples of the same size at the same node together. */
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
    const sum = (objects.get(key)?.count ?? 0) + count;
    objects.set(key, { node, count: sum, bytes: sum * size });
  }
  return [...objects.values()];
}
