import { CallTreeBuilder } from './call-tree-builder.js';
import { HEAP_STACK_DEPTH, InspectorHeapSampler } from './inspector.sampler.js';
import type { CpuSamples, HeapSampler, HeapSamples, LiveObjects, RawFrame, Sampling } from './sampler.js';

/** What is used of the `pprof` package. Declared here, since the package is optional. */
export interface PprofPackage {
  readonly time: {
    start(
      intervalMicros: number,
      name: undefined,
      sourceMapper: undefined,
      lineNumbers: true,
    ): () => PprofTimeProfile;
  };
  readonly heap: {
    start(intervalBytes: number, stackDepth: number): void;
    v8Profile(): PprofAllocationNode;
    stop(): void;
  };
}

interface PprofTimeProfile {
  stringTable: string[];
  sample: { locationId: number[]; value: number[] }[];
  location: { line: { functionId: number; line: number }[] }[];
  function: { name: number; filename: number }[];
  durationNanos: number;
}

interface PprofAllocationNode {
  name: string;
  scriptName: string;
  lineNumber: number;
  columnNumber: number;
  allocations: { count: number; sizeBytes: number }[];
  children: PprofAllocationNode[];
}

/** Samples by the `pprof` package: the exact line in every frame, the exact number of objects. */
export function pprofSampling(pprof: PprofPackage): Sampling {
  return {
    name: 'pprof',
    cpu: {
      name: 'pprof',
      start(hz) {
        const stop = pprof.time.start(Math.round(1e6 / hz), undefined, undefined, true);
        return { stop: () => samplesOf(stop()) };
      },
    },
    startHeap: (rate) => new PprofHeapSampler(pprof, rate),
  };
}

/**
 * V8's heap sampler, started and read by `pprof`, with an inspector session that watches that it runs: `pprof` crashes
 * the process when it reads a sampler that someone else has stopped.
 */
class PprofHeapSampler implements HeapSampler {
  readonly name = 'pprof';
  private readonly watch: InspectorHeapSampler;

  constructor(
    private readonly pprof: PprofPackage,
    readonly rate: number,
  ) {
    // First, and the session second: a sampler that the inspector starts collects all garbage at every reading.
    this.pprof.heap.start(rate, HEAP_STACK_DEPTH);
    this.watch = new InspectorHeapSampler(rate);
  }

  read(): HeapSamples {
    this.watch.ensureStarted();
    return heapSamplesOf(this.pprof.heap.v8Profile());
  }

  stop(): void {
    this.watch.stop();
    this.pprof.heap.stop();
  }
}

/** In this mode a frame's line is the one that was executing; the profile does not say where functions begin. */
function samplesOf(profile: PprofTimeProfile): CpuSamples {
  const frames = profile.location.map(({ line: [line] }): RawFrame => {
    const { name, filename } = profile.function[line!.functionId - 1]!;
    return {
      functionName: nameOf(profile.stringTable[name]!),
      url: profile.stringTable[filename]!,
      functionLine: 0,
      functionColumn: 0,
      line: line!.line,
    };
  });

  const tree = new CallTreeBuilder();
  const children = new Map<string, number>();
  const hits: number[] = [];
  const callee = (parent: number, location: number): number => {
    const key = `${parent}/${location}`;
    let node = children.get(key);
    if (node === undefined) {
      node = tree.node(parent, frames[location - 1]!);
      children.set(key, node);
      hits[node] = 0;
    }
    return node;
  };
  for (const { locationId, value } of profile.sample) {
    hits[locationId.reduceRight(callee, -1)]! += value[0]!;
  }

  const total = hits.reduce((sum, count) => sum + count, 0);
  const nanosPerHit = total === 0 ? 0 : profile.durationNanos / total;
  return {
    tree: tree.build(),
    hits,
    nanos: hits.map((count) => count * nanosPerHit),
    durationNanos: profile.durationNanos,
  };
}

/** V8 names an anonymous function with the empty string; `pprof` writes this instead. */
function nameOf(name: string): string {
  return name === '(anonymous)' ? '' : name;
}

function heapSamplesOf(root: PprofAllocationNode): HeapSamples {
  const tree = new CallTreeBuilder();
  const objects: LiveObjects[] = [];
  const pending = root.children.map((node) => ({ node, parent: -1 }));
  for (let next = pending.pop(); next; next = pending.pop()) {
    const { name, scriptName, lineNumber, columnNumber, allocations, children } = next.node;
    const node = tree.node(next.parent, {
      functionName: nameOf(name),
      url: scriptName,
      functionLine: lineNumber,
      functionColumn: columnNumber,
      line: lineNumber,
    });
    for (const { count, sizeBytes } of allocations) objects.push({ node, count, bytes: count * sizeBytes });
    for (const child of children) pending.push({ node: child, parent: node });
  }
  return { tree: tree.build(), objects };
}
