/**
 * Profiles from the first line of the program, before the application is imported:
 *
 *     node --import nestjs-pprof/preload dist/main.js
 *
 * V8's heap sampler runs from here on, so `heap` knows what was allocated while the application was loaded, and `threadcreate` knows
 * the worker threads that were created then. With
 * `NESTJS_PPROF_BOOT_PROFILE=boot-%p.pb.gz` the CPU is sampled too, until the application has bootstrapped, and the profile is
 * written to that file; `%p` is the pid.
 *
 * Nothing of Nest is imported before both run: it is part of what is looked at. By `NODE_OPTIONS` other programs are started
 * with this too, such as npm: a process in which Nest creates no module of ours writes and prints nothing.
 */
import { resolve } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { beginCpuCapture, freeCpuCapture } from './profiling/cpu/cpu-recording.js';
import { chooseSampler } from './sampling/choose-sampler.js';
import { processState } from './sampling/process-state.js';
import { reasonOf } from './sampling/reason.js';
import { DEFAULT_HEAP_RATE, type Sampling } from './sampling/sampler.js';
import { watchWorkers } from './sampling/worker-creation.js';

/** Samples of the CPU per second: a boot is short. */
const BOOT_RATE = 1000;

/** A boot that takes longer is not waited for, in ms. */
const LONGEST_BOOT = 60_000;

const { NESTJS_PPROF_BOOT_PROFILE: bootProfile, NESTJS_PPROF_MEM_PROFILE_RATE: memProfileRate = '' } =
  process.env;

const state = processState();

// In a worker thread, which is started with the same arguments, there is no application to look at.
if (isMainThread) {
  watchWorkers(); // as long as the process runs
  const { sampling } = await chooseSampler({ sampler: 'auto', warm: false });
  startHeap(sampling);
  if (bootProfile) recordBoot(sampling, resolve(bootProfile));
}

function startHeap(sampling: Sampling): void {
  const rate = Number(memProfileRate || DEFAULT_HEAP_RATE);
  if (!/^\d*$/.test(memProfileRate) || rate > 0x7fff_ffff) {
    state.preloadProblem = `invalid value "${memProfileRate}" for NESTJS_PPROF_MEM_PROFILE_RATE: expected a whole number of bytes, or 0 to switch heap sampling off`;
  } else if (rate > 0) {
    try {
      // A user that never leaves: the sampler runs as long as the process.
      state.heap ??= { sampler: sampling.startHeap(rate), preloaded: true, users: 1 };
    } catch {
      // The module will find the same, and say so.
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

/** As soon as the application has bootstrapped; at the latest after a minute, or when the process has nothing left to do. */
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
