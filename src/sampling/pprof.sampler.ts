import { HEAP_STACK_DEPTH, InspectorHeapSampler, isSampling } from './inspector-heap.js';
import { OtherThreads } from './other-threads.js';
import {
  cpuSamplesOf,
  heapSamplesOf,
  type PprofAllocationNode,
  type PprofTimeProfile,
} from './pprof-samples.js';
import type { CpuRecording, HeapSampler, HeapSamples, Sampling, Sliced } from './sampler.js';
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

/**
 * The heap sampled by V8 for `pprof`. A session of the inspector watches over it, since the package crashes the process
 * when it reads a sampler that someone else has stopped.
 *
 * The session is second: a sampler that the inspector starts collects all garbage at each reading.
 */
class PprofHeapSampler implements HeapSampler {
  readonly name = 'pprof';
  private readonly watch: InspectorHeapSampler;
  /** The sampler is someone else's. */
  private readonly leaves: boolean;

  constructor(
    private readonly pprof: PprofPackage,
    readonly rate: number,
  ) {
    this.leaves = isSampling();
    this.ensureStarted();
    this.watch = new InspectorHeapSampler(rate, this.leaves);
  }

  read(): Sliced<HeapSamples> {
    this.ensureStarted();
    this.watch.ensureStarted();
    return heapSamplesOf(this.pprof.heap.v8Profile(), this.rate);
  }

  stop(): void {
    this.watch.stop();
    if (!this.leaves) this.pprof.heap.stop();
  }

  /** The package throws where it runs, whoever started it, and refuses to read where someone has stopped it. */
  private ensureStarted(): void {
    try {
      this.pprof.heap.start(this.rate, HEAP_STACK_DEPTH);
    } catch {
      // it runs
    }
  }
}
