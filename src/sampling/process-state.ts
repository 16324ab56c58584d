import type { CpuSegment } from './cpu-segment.js';
import type { RunningProfiler } from './running-profiler.js';
import type { HeapSampler, WarmOptions } from './sampler.js';

/** State that is shared by all modules and copies of this package in a process (strictly: in a V8 isolate). */
export interface ProcessState {
  /** Whether a CPU capture is running. */
  cpuBusy: boolean;
  /** Ends the CPU profile of startup, while one is running. */
  finishBoot: (() => void) | undefined;
  /** Whether PprofModule was created in this process; `preload` may run in other programs too, such as npm. */
  hasModule: boolean;
  /** Error message for an invalid environment variable of `preload`. */
  preloadProblem: string | undefined;
  /** V8's CPU profiler while it is kept running. */
  readonly warm: {
    profiler: RunningProfiler | undefined;
    /** Whether a capture is running, with this profiler or another one. */
    isBusy: boolean;
    /** Number of modules that may use it, and the options of those that keep it running. */
    members: number;
    readonly always: WarmOptions[];
    /** The one of these for which it was started. */
    startedFor: WarmOptions | undefined;
    /** Called with each ended segment. */
    readonly watchers: Set<(segment: CpuSegment) => void>;
    /** Timer that ends it when it has not been used for a while. */
    ending: NodeJS.Timeout | undefined;
  };
  /** V8's heap sampler and the number of its users. */
  heap: { readonly sampler: HeapSampler; readonly preloaded?: true; users: number } | undefined;
}

/** Stored on `globalThis`, since the ESM and the CommonJS copy of this package may both be loaded. */
export function processState(): ProcessState {
  return perProcess('process-state', () => ({
    cpuBusy: false,
    finishBoot: undefined,
    hasModule: false,
    preloadProblem: undefined,
    warm: {
      profiler: undefined,
      isBusy: false,
      members: 0,
      always: [],
      startedFor: undefined,
      watchers: new Set(),
      ending: undefined,
    },
    heap: undefined,
  }));
}

/**
 * A value that exists once per process.
 *
 * @param create creates it on the first call
 */
export function perProcess<T>(name: string, create: () => T): T {
  const holder = globalThis as { [key: symbol]: T | undefined };
  return (holder[Symbol.for(`nestjs-pprof/${name}`)] ??= create());
}
