/**
 * Profiles from the first line of the program, before the application is imported:
 *
 *     node --import nestjs-pprof/preload dist/main.js
 *
 * V8's heap sampler runs from here on, so `heap` knows what was allocated while the application was loaded. With
 * `NESTJS_PPROF_BOOT_PROFILE=boot.pb.gz` the CPU is sampled too, until the application has bootstrapped, and the profile is
 * written to that file.
 *
 * Nothing of Nest is imported before both run: it is part of what is looked at.
 */
import { isMainThread } from 'node:worker_threads';
import { beginCpuCapture } from './profiling/cpu/cpu-recording.js';
import { chooseSampler } from './sampling/choose-sampler.js';
import { processState } from './sampling/process-state.js';
import { DEFAULT_HEAP_RATE, type Sampling } from './sampling/sampler.js';

/** Samples of the CPU per second: a boot is short. */
const BOOT_RATE = 1000;

const { NESTJS_PPROF_BOOT_PROFILE: bootProfile, NESTJS_PPROF_MEM_PROFILE_RATE: memProfileRate = '' } =
  process.env;

// In a worker thread, which is started with the same arguments, there is no application to look at.
if (isMainThread) {
  const { sampling } = await chooseSampler('auto');
  startHeap(
    sampling,
    /^\d*$/.test(memProfileRate) ? Number(memProfileRate || DEFAULT_HEAP_RATE) : Number.NaN,
  );
  if (bootProfile) await recordBoot(sampling, bootProfile);
}

function startHeap(sampling: Sampling, rate: number): void {
  if (!(Number.isInteger(rate) && rate >= 0 && rate <= 0x7fff_ffff)) {
    process.stderr.write(
      `NESTJS_PPROF_MEM_PROFILE_RATE is "${memProfileRate}": it takes a whole number of bytes, or 0 for no heap sampling\n`,
    );
    process.exit(1);
  }
  // A user that never leaves: the sampler runs as long as the process.
  if (rate > 0) processState().heap ??= { sampler: sampling.startHeap(rate), preloaded: true, users: 1 };
}

async function recordBoot(sampling: Sampling, file: string): Promise<void> {
  const capture = beginCpuCapture(sampling.cpu, BOOT_RATE);
  const { writeBootProfileLater } = await import('./profiling/cpu/boot-profile.js');
  writeBootProfileLater(capture, file);
}
