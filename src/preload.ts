/**
 * Profiles the program from its first line, before the application is imported:
 *
 *     node --import nestjs-pprof/preload dist/main.js
 *
 * It starts V8's heap sampler, so `heap` includes what was allocated while the application was loaded, and watches for worker
 * threads, so `threadcreate` includes those created then. With `NESTJS_PPROF_BOOT_PROFILE=boot-%p.pb.gz` it also samples the CPU
 * until the application has bootstrapped, and writes the profile to that file; `%p` is the pid.
 * `NESTJS_PPROF_MEM_PROFILE_RATE` sets the rate of the heap sampler in bytes; with 0 only
 * PprofModule starts it.
 *
 * Nest is imported only after sampling has started, since loading it is part of what is profiled. `NODE_OPTIONS` applies to other
 * programs too, such as npm: in a process in which PprofModule is never created, nothing is written or printed.
 */
import { resolve } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { beginCpuCapture, freeCpuCapture } from './profiling/cpu/cpu-recording.js';
import { chooseSampler } from './sampling/choose-sampler.js';
import { processState } from './sampling/process-state.js';
import { reasonOf } from './sampling/reason.js';
import { DEFAULT_HEAP_RATE, type Sampling } from './sampling/sampler.js';
import { watchWorkers } from './sampling/worker-creation.js';

/** CPU samples per second; high, because startup is short. */
const BOOT_RATE = 1000;

/** The CPU profile ends at the latest after this time, in ms. */
const LONGEST_BOOT = 60_000;

const { NESTJS_PPROF_BOOT_PROFILE: bootProfile, NESTJS_PPROF_MEM_PROFILE_RATE: memProfileRate = '' } =
  process.env;

const state = processState();

// Worker threads are started with the same arguments, but the application is not in them.
if (isMainThread) {
  watchWorkers(); // until the process ends
  const sampling = await chooseSampler({ sampler: 'auto', warm: false });
  startHeap(sampling);
  if (bootProfile) recordBoot(sampling, resolve(bootProfile));
}

function startHeap(sampling: Sampling): void {
  const rate = Number(memProfileRate || DEFAULT_HEAP_RATE);
  if (!/^\d*$/.test(memProfileRate) || rate > 0x7fff_ffff) {
    state.preloadProblem = `invalid value "${memProfileRate}" for NESTJS_PPROF_MEM_PROFILE_RATE: expected a whole number of bytes up to 2147483647, or 0 to let PprofModule start heap sampling`;
  } else if (rate > 0) {
    try {
      // One user that is never removed: the sampler runs until the process ends.
      state.heap ??= { sampler: sampling.startHeap(rate), preloaded: true, users: 1 };
    } catch {
      // PprofModule will have the same problem, and report it.
    }
  }
}

function recordBoot(sampling: Sampling, file: string): void {
  try {
    finishLater(beginCpuCapture(sampling.cpu, BOOT_RATE), file);
  } catch (error) {
    state.finishBoot = () => noProfile(reasonOf(error));
  }
}

/** Ends the capture when the application has bootstrapped; at the latest after a minute, or when the process is about to exit. */
function finishLater(capture: ReturnType<typeof beginCpuCapture>, file: string): void {
  const finish = (): void => {
    clearTimeout(timer);
    process.off('beforeExit', finish);
    state.finishBoot = undefined;
    const stopped = freeCpuCapture(capture);
    if (state.hasModule) {
      void import('./profiling/cpu/boot-profile.js').then(({ writeBootProfile }) =>
        writeBootProfile(capture, stopped, file),
      );
    } else {
      state.finishBoot = () => noProfile(`Nest had not created PprofModule after ${LONGEST_BOOT / 1000} s`);
    }
  };
  const timer = setTimeout(finish, LONGEST_BOOT).unref();
  process.once('beforeExit', finish);
  state.finishBoot = finish;
}

function noProfile(reason: string): void {
  state.finishBoot = undefined;
  process.stderr.write(`[PprofModule] No CPU profile of the boot: ${reason}\n`);
}
