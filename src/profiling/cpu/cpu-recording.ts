import { processState } from '../../sampling/process-state.js';
import type { CpuRecording, CpuSampler, CpuSamples, SamplerName, Sliced } from '../../sampling/sampler.js';
import { ProfilerBusyError, ProfilerUnavailableError } from '../errors.js';
import { HoldMeter, nowNanos } from '../loop.js';

/** A CPU capture under way. (This file imports nothing of Nest: `preload` begins one before that is loaded.) */
export interface CpuCapture {
  readonly hz: number;
  readonly sampler: SamplerName;
  /** Garbage was collected right before. */
  readonly afterGc: boolean;
  readonly timeNanos: bigint;
  readonly holds: HoldMeter;
  readonly recording: CpuRecording;
}

/** @throws ProfilerBusyError while another CPU capture runs in this process */
export function refuseIfBusy(): void {
  if (processState().cpuBusy) throw new ProfilerBusyError();
}

/**
 * @throws ProfilerBusyError while another CPU capture runs in this process
 * @throws ProfilerUnavailableError if the sampler cannot be started
 */
export function beginCpuCapture(cpu: CpuSampler, hz: number, afterGc = false): CpuCapture {
  refuseIfBusy();
  const holds = new HoldMeter();
  const timeNanos = nowNanos();
  const recording = holds.time(() => startSampling(cpu, hz));
  processState().cpuBusy = true;
  return { hz, sampler: cpu.name, afterGc, timeNanos, holds, recording };
}

/** Ends a capture; without a further step its samples are dropped. */
export function freeCpuCapture({ holds, recording }: CpuCapture): Sliced<CpuSamples> {
  try {
    return holds.time(() => recording.stop());
  } finally {
    processState().cpuBusy = false;
  }
}

/** What `pprof` and its addon say when the application uses them itself. */
const BUSY = /already (?:profiling|started)/;

function startSampling(cpu: CpuSampler, hz: number): CpuRecording {
  try {
    return cpu.start(hz);
  } catch (cause) {
    throw BUSY.test(String(cause))
      ? new ProfilerBusyError({ cause })
      : new ProfilerUnavailableError('profile', cause);
  }
}
