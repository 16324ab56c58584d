import type { Profiler, Runtime } from 'node:inspector';
import { CallTreeBuilder } from './call-tree-builder.js';
import { InspectorSession } from './inspector-session.js';
import { likelyObjectSize } from './object-size.js';
import type {
  CpuSampler,
  CpuSamples,
  HeapSampler,
  HeapSamples,
  LiveObjects,
  RawFrame,
  Sampling,
} from './sampler.js';

/**
 * V8's frame limit of a heap sample. Node 26 takes a deeper one and aborts the process when such a profile is
 * read (its JSON nests too deep); older versions have this one and no other.
 */
export const HEAP_STACK_DEPTH = 128;

const CAVEAT =
  'object counts are estimates: this sampler knows bytes only; it collected garbage for this reading, as it always does';

/** As the inspector sends it; Node's own types know only a part. */
interface SamplingHeapProfile {
  readonly head: SamplingHeapProfileNode;
  readonly samples: readonly { readonly nodeId: number; readonly size: number }[];
}
interface SamplingHeapProfileNode {
  readonly id: number;
  readonly callFrame: Runtime.CallFrame;
  readonly children: readonly SamplingHeapProfileNode[];
}

/** CPU samples by Node's built-in inspector: nothing to build, also in worker threads. */
const cpu: CpuSampler = {
  name: 'inspector',

  start(hz) {
    const session = new InspectorSession();
    try {
      session.post('Profiler.enable');
      session.post('Profiler.setSamplingInterval', { interval: Math.round(1e6 / hz) });
      session.post('Profiler.start');
    } catch (error) {
      session.close();
      throw error;
    }
    return {
      stop() {
        try {
          return samplesOf(session.post<Profiler.StopReturnType>('Profiler.stop').profile);
        } finally {
          session.close();
        }
      },
    };
  },
};

/** V8's heap sampler, started and read through the inspector. */
export class InspectorHeapSampler implements HeapSampler {
  readonly name = 'inspector';
  private readonly session = new InspectorSession();

  constructor(readonly rate: number) {
    this.ensureStarted();
  }

  read(): HeapSamples {
    this.ensureStarted();
    const { profile } = this.session.post<{ profile: SamplingHeapProfile }>(
      'HeapProfiler.getSamplingProfile',
    );
    return heapSamplesOf(profile, this.rate);
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
    this.session.close(); // which stops V8's sampler; the command for it fails where someone else has stopped it
  }
}

export const inspectorSampling: Sampling = {
  name: 'inspector',
  cpu,
  startHeap: (rate) => new InspectorHeapSampler(rate),
};

function frameOf(callFrame: Runtime.CallFrame, line = callFrame.lineNumber + 1): RawFrame {
  return {
    functionName: callFrame.functionName,
    url: callFrame.url,
    functionLine: callFrame.lineNumber + 1,
    functionColumn: callFrame.columnNumber + 1,
    line,
  };
}

/**
 * A node of V8's profile becomes one per line that was hit in it, since samples with different lines are different
 * stacks; the callers' lines are not known here.
 */
function samplesOf(profile: Profiler.Profile): CpuSamples {
  const nanosOf = nanosById(profile);
  const tree = new CallTreeBuilder();
  const hits: number[] = [];
  const nanos: number[] = [];
  const nodeById = new Map<number, number>();
  const parentById = parentsById(profile.nodes);

  const add = (parent: number, frame: RawFrame, hitCount: number, time: number): number => {
    const node = tree.node(parent, frame);
    hits[node] = hitCount;
    nanos[node] = time;
    return node;
  };

  for (const { id, callFrame, hitCount = 0, positionTicks = [] } of profile.nodes) {
    const parentId = parentById.get(id);
    if (parentId === undefined) continue; // V8's (root)
    const parent = nodeById.get(parentId) ?? -1;
    const time = nanosOf.get(id) ?? 0;
    const ticks = positionTicks.reduce((sum, { ticks }) => sum + ticks, 0);
    const ownLine = Math.max(hitCount - ticks, 0);
    const total = ticks + ownLine;
    nodeById.set(id, add(parent, frameOf(callFrame), ownLine, total ? (time * ownLine) / total : time));
    for (const { line, ticks } of positionTicks) {
      add(parent, frameOf(callFrame, line), ticks, (time * ticks) / total);
    }
  }
  return { tree: tree.build(), hits, nanos, durationNanos: (profile.endTime - profile.startTime) * 1000 };
}

function parentsById(nodes: readonly Profiler.ProfileNode[]): Map<number, number> {
  const parents = new Map<number, number>();
  for (const { id, children = [] } of nodes) for (const child of children) parents.set(child, id);
  return parents;
}

/** Real time by node: a sample stands for the time from it to the next one. */
function nanosById({
  samples = [],
  timeDeltas = [],
  startTime,
  endTime,
}: Profiler.Profile): Map<number, number> {
  const nanos = new Map<number, number>();
  let time = startTime;
  samples.forEach((id, i) => {
    time += timeDeltas[i] ?? 0;
    const until = i + 1 < samples.length ? time + (timeDeltas[i + 1] ?? 0) : endTime;
    // V8 may write a later sample with an earlier time: such a stretch counts as none.
    nanos.set(id, (nanos.get(id) ?? 0) + Math.max(until - time, 0) * 1000);
  });
  return nanos;
}

/** The inspector's nodes carry bytes only; how many objects these were follows from the sizes of the samples. */
function heapSamplesOf({ head, samples }: SamplingHeapProfile, rate: number): HeapSamples {
  const tree = new CallTreeBuilder();
  const nodeById = new Map<number, number>();
  const pending = head.children.map((node) => ({ node, parent: -1 }));
  for (let next = pending.pop(); next; next = pending.pop()) {
    const node = tree.node(next.parent, frameOf(next.node.callFrame));
    nodeById.set(next.node.id, node);
    for (const child of next.node.children) pending.push({ node: child, parent: node });
  }
  const objects = new Map<string, LiveObjects>();
  const sizes = new Map<number, number>(); // few sizes, many samples
  for (const { nodeId, size: bytes } of samples) {
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
  return { tree: tree.build(), objects: [...objects.values()], caveat: CAVEAT };
}
