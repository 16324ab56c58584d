import { type PprofHeapBinding, V8HeapSampler } from './heap-sampler.js';
import { otherNativeThreads } from './native-threads.js';
import { cpuSamplesOf, type PprofTimeProfile } from './pprof-samples.js';
import { ProcessTimes, usedByOthers } from './process-times.js';
import type { CpuRecording, Samplers } from './sampler.js';
import { openThreadClock } from './thread-clock.js';

/** The used part of the `pprof` package. Declared here, since the package is optional. */
export interface PprofPackage {
  readonly time: {
    start(intervalMicros: number, name: string, sourceMapper: undefined, lineNumbers: true): () => unknown;
  };
  /**
   * The package's interface to its addon. The function that `time.start` returns would convert the result to protobuf objects, which
   * holds the event loop as long as V8 does, and drops the script ids.
   */
  readonly timeBindings: {
    stopProfiling(name: string, lineNumbers: true): PprofTimeProfile;
  };
  readonly heapBindings: PprofHeapBinding;
}

/** Samplers of the `pprof` package: exact lines in every frame, exact object sizes. */
export function pprofSampling(pprof: PprofPackage): Samplers {
  return {
    name: 'pprof',
    cpu: { name: 'pprof', start: (hz) => startCpu(pprof, hz) },
    startHeap: (rate) => new V8HeapSampler(rate, pprof.heapBindings),
  };
}

let captures = 0;

function startCpu({ time, timeBindings }: PprofPackage, hz: number): CpuRecording {
  const name = `nestjs-pprof-${++captures}`;
  const clock = openThreadClock();
  const begin = clock && new ProcessTimes(clock);
  begin?.threads();
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
        const ended = otherNativeThreads(); // V8's own sampling thread ends with the profile
        const profile = timeBindings.stopProfiling(name, true);
        return cpuSamplesOf(profile, begin ? usedByOthers(begin, new ProcessTimes(clock), ended) : []);
      } finally {
        clock?.close();
        release(stop);
      }
    },
  };
}

/** Resets the package's state. It throws, because there is no profile left to stop. */
function release(stop: () => unknown): void {
  try {
    stop();
  } catch {
    // as expected
  }
}
