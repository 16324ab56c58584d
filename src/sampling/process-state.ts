import { AsyncWaits } from './async-waits.js';
import type { LoopWatch } from './loop-watch.js';
import type { HeapSampler } from './sampler.js';
import type { WorkerBirths } from './worker-births.js';

/** What there is once in a process (strictly: once in a V8 isolate), however many modules and copies of this package. */
export interface ProcessState {
  /** A CPU capture runs. */
  cpuBusy: boolean;
  /** Ends the CPU profile of the boot, while one runs. */
  finishBoot: (() => void) | undefined;
  /** V8's one heap sampler and how many modules want it on. */
  heap: { readonly sampler: HeapSampler; readonly preloaded?: true; users: number } | undefined;
  /** Watches for holds of the event loop, while somebody wants it. */
  loopWatch: LoopWatch | undefined;
  /** Who made the worker threads, and how many modules want to know. */
  workers: { readonly births: WorkerBirths; users: number } | undefined;
  /** Requests under way in all applications; whoever looks first makes it. */
  requests: object | undefined;
  /** The execution trace under way. */
  trace: object | undefined;
  /** The one hook that tells who waits. */
  readonly waits: AsyncWaits;
}

const KEY = Symbol.for('nestjs-pprof/process-state');

/** Kept on `globalThis`: the ESM and the CommonJS copy of this package may be loaded side by side. */
export function processState(): ProcessState {
  const holder = globalThis as { [KEY]?: ProcessState };
  return (holder[KEY] ??= {
    cpuBusy: false,
    finishBoot: undefined,
    heap: undefined,
    loopWatch: undefined,
    workers: undefined,
    requests: undefined,
    trace: undefined,
    waits: new AsyncWaits(),
  });
}
