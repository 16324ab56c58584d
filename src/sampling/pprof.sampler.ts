import { CallTreeBuilder } from './call-tree-builder.js';
import { rateOfCounts } from './heap-rate.js';
import { HEAP_STACK_DEPTH, InspectorHeapSampler, isSampling, type NativeReading } from './inspector-heap.js';
import { OtherThreads } from './other-threads.js';
import type {
  CpuRecording,
  CpuSamples,
  HeapMark,
  HeapReading,
  HeapSampler,
  HeapSamples,
  RawFrame,
  SampledObjects,
  Sampling,
  Sliced,
  TimeApart,
} from './sampler.js';
import { openThreadClock } from './thread-clock.js';

/** What is used of the `pprof` package. Declared here, since the package is optional. */
export interface PprofPackage {
  readonly time: {
    start(intervalMicros: number, name: string, sourceMapper: undefined, lineNumbers: true): () => unknown;
  };
  /**
   * Its own face to its addon. What `time.start` returns makes protobuf objects of the result before it hands it out,
   * which holds the event loop for as long as V8 does, and loses the numbers of the scripts.
   */
  readonly timeBindings: {
    stopProfiling(name: string, lineNumbers: true): PprofTimeProfile;
  };
  readonly heap: {
    start(intervalBytes: number, stackDepth: number): void;
    v8Profile(): PprofAllocationNode;
    stop(): void;
  };
}

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

interface PprofTimeProfile {
  readonly topDownRoot: PprofTimeNode;
  /** In microseconds. */
  readonly startTime: number;
  readonly endTime: number;
}

interface PprofAllocationNode extends PprofNode<PprofAllocationNode> {
  readonly allocations: readonly { readonly count: number; readonly sizeBytes: number }[];
}

/** Nodes between two yields. */
const PIECE = 200;

/** Samples by the `pprof` package: the exact line in every frame, the exact number of objects. */
export function pprofSampling(pprof: PprofPackage): Sampling {
  return {
    name: 'pprof',
    cpu: { name: 'pprof', start: (hz) => startCpu(pprof, hz) },
    startHeap: (rate) => new PprofHeapSampler(pprof, rate),
  };
}

let captures = 0;

function startCpu({ time, timeBindings }: PprofPackage, hz: number): CpuRecording {
  const name = `nestjs-pprof-${++captures}`;
  const clock = openThreadClock();
  const others = clock && new OtherThreads(clock);
  let stop: () => unknown;
  try {
    stop = time.start(Math.round(1e6 / hz), name, undefined, true);
  } catch (error) {
    clock?.close();
    throw error;
  }
  return {
    stop() {
      try {
        others?.look(); // V8's own sampling thread ends with the profile
        const profile = timeBindings.stopProfiling(name, true);
        return cpuSamplesOf(profile, others?.used() ?? []);
      } finally {
        clock?.close();
        release(stop);
      }
    },
  };
}

/** Tells the package that nothing runs any more. It finds no profile to stop, and says so. */
function release(stop: () => unknown): void {
  try {
    stop();
  } catch {
    // as expected
  }
}

/** What V8 takes to end a profile is in the profile, under the function that ends it. */
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

/** In this mode a frame's line is the one that was executing; the profile does not say where functions begin. */
function* cpuSamplesOf(
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
    weighed:
      'weighted by the real interval: calls that block count as if they computed; (other threads) is measured CPU time',
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

/**
 * The heap sampled by V8 for `pprof`. A session of the inspector watches over it, since the package crashes the process
 * when it reads a sampler that someone else has stopped. It also tells the order of the samples, and takes over where
 * dead objects are kept, which the package does not know.
 *
 * The session is second: a sampler that the inspector starts collects all garbage at each reading.
 */
class PprofHeapSampler implements HeapSampler {
  readonly name = 'pprof';
  private readonly inspector: InspectorHeapSampler;

  constructor(
    private readonly pprof: PprofPackage,
    readonly rate: number,
  ) {
    this.inspector = new InspectorHeapSampler(rate, isSampling(), {
      start: () => this.ensureStarted(),
      stop: () => pprof.heap.stop(),
      read: () => this.readNative(),
    });
  }

  get canKeepDead(): boolean {
    return this.inspector.canKeepDead;
  }

  read(): HeapReading {
    return this.inspector.read();
  }

  keepDead(): HeapMark {
    return this.inspector.keepDead();
  }

  dropDead(): void {
    this.inspector.dropDead();
  }

  stop(): void {
    this.inspector.stop();
  }

  /** The package throws where it runs, whoever started it, and refuses to read where someone has stopped it. */
  private ensureStarted(): void {
    try {
      this.pprof.heap.start(this.rate, HEAP_STACK_DEPTH);
    } catch {
      // it runs
    }
  }

  private readNative(): NativeReading {
    const root = this.pprof.heap.v8Profile();
    return { root, samples: () => heapSamplesOf(root, this.rate) };
  }
}

function* heapSamplesOf(root: PprofAllocationNode, asked: number): Sliced<HeapSamples> {
  const tree = new CallTreeBuilder();
  const objects: SampledObjects[] = [];
  const allocations: PprofAllocationNode['allocations'][number][] = [];
  yield* walk(root, (raw, parent) => {
    const node = tree.node(parent, frameOf(raw));
    for (const { count, sizeBytes } of raw.allocations) {
      objects.push({ node, count, bytes: count * sizeBytes });
      allocations.push({ count, sizeBytes });
    }
    return node;
  });
  return { tree: tree.build(), objects, rate: rateOfCounts(allocations, asked) };
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

/** Visits every node under a root, callers first; a visit is told the number that the one to its caller returned. */
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
