import type { CpuSegment } from './cpu-segment.js';
import type { RunningProfiler } from './running-profiler.js';
import type { HeapSampler, WarmOptions } from './sampler.js';

/** What exists once in a process (strictly: once in a V8 isolate), however many modules and copies of this package there are. */
export interface ProcessState {
  /** A CPU capture runs. */
  cpuBusy: boolean;
  /** Ends the CPU profile of the boot, while one runs. */
  finishBoot: (() => void) | undefined;
  /** Nest has created a module of ours: others, such as npm, may have been started with `preload` too. */
  hasModule: boolean;
  /** What is wrong with a variable of `preload`. */
  preloadProblem: string | undefined;
  /** V8's CPU profiler where it is kept running. */
  readonly warm: {
    profiler: RunningProfiler | undefined;
    /** A capture runs, by this profiler or by another one. */
    isBusy: boolean;
    /** Modules that may use it, and how those want it that keep it running. */
    members: number;
    readonly always: WarmOptions[];
    /** One of these, for which it was started. */
    startedFor: WarmOptions | undefined;
    /** Called with each segment of its that has ended. */
    readonly watchers: Set<(segment: CpuSegment) => void>;
    /** Ends it when it has not been used for a while. */
    ending: NodeJS.Timeout | undefined;
  };
  /** V8's one heap sampler and how many modules want it on. */
  heap: { readonly sampler: HeapSampler; readonly preloaded?: true; users: number } | undefined;
}

/** Kept on `globalThis`: the ESM and the CommonJS copy of this package may be loaded side by side. */
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
 * The process's one value of a name.
 *
 * @param create makes it, the first time
 */
export function perProcess<T>(name: string, create: () => T): T {
  const holder = globalThis as { [key: symbol]: T | undefined };
  return (holder[Symbol.for(`nestjs-pprof/${name}`)] ??= create());
}
