import type { HeapSampler } from './sampler.js';

/** What there is once in a process (strictly: once in a V8 isolate), however many modules and copies of this package. */
export interface ProcessState {
  /** A CPU capture runs. */
  cpuBusy: boolean;
  /** Ends the CPU profile of the boot, while one runs. */
  finishBoot: (() => void) | undefined;
  /** V8's one heap sampler and how many modules want it on. */
  heap: { readonly sampler: HeapSampler; readonly preloaded?: true; users: number } | undefined;
}

const KEY = Symbol.for('nestjs-pprof/process-state');

/** Kept on `globalThis`: the ESM and the CommonJS copy of this package may be loaded side by side. */
export function processState(): ProcessState {
  const holder = globalThis as { [KEY]?: ProcessState };
  return (holder[KEY] ??= { cpuBusy: false, finishBoot: undefined, heap: undefined });
}
