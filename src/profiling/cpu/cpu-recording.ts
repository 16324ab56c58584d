import { processState } from '../../sampling/process-state.js';
import type { CpuRecording, CpuSampler, CpuSamples, SamplerName, Sliced } from '../../sampling/sampler.js';
import { ProfilerBusyError, ProfilerUnavailableError } from '../errors.js';
import { HoldMeter, nowNanos } from '../loop.js';

/** What a CPU profile contains about its capture. */
export interface CpuCaptureFacts {
  readonly hz: number;
  readonly sampler: SamplerName;
  readonly timeNanos: bigint;
  readonly holds: HoldMeter;
  /** Comments. */
  readonly notes: readonly string[];
}

/** A CPU capture in progress. (This file must not import Nest: `preload` starts a capture before Nest is loaded.) */
export interface CpuCapture extends CpuCaptureFacts {
  readonly recording: CpuRecording;
}

/** See docs/profiles.md. */
const BLIND_SPOT =
  "V8's profiler was started for this capture: time in code that V8 compiled by on-stack replacement before may be attributed to its caller; the option warm: 'always' or gc=1 avoids this";

/** @throws ProfilerBusyError while another CPU capture runs in this process */
export function refuseIfBusy(): void {
  if (processState().cpuBusy) throw new ProfilerBusyError('profile');
}

/**
 * @throws ProfilerBusyError while another CPU capture runs in this process
 * @throws ProfilerUnavailableError if the sampler cannot be started
 */
export function beginCpuCapture(cpu: CpuSampler, hz: number, afterGc = false): CpuCapture {
  refuseIfBusy();
  const holds = new HoldMeter();
  const timeNanos = nowNanos();
  const recording = holds.time(() => startSampling(cpu, hz, afterGc));
  processState().cpuBusy = true;
  return { hz, sampler: cpu.name, timeNanos, holds, recording, notes: notesOn(recording, afterGc) };
}

function notesOn({ runningSince, note }: CpuRecording, afterGc: boolean): string[] {
  const notes = note === undefined ? [] : [note];
  if (runningSince) return [...notes, warmSince(runningSince)];
  return !afterGc ? [...notes, BLIND_SPOT] : notes;
}

/** A comment for samples of a profiler that was already running. */
export function warmSince(since: Date): string {
  return `V8's profiler has been running since ${since.toISOString()}: only time in code that V8 compiled by on-stack replacement before that may be attributed to its caller`;
}

/** Ends a capture. Its samples are dropped unless the returned work is run. */
export function freeCpuCapture({ holds, recording }: CpuCapture): Sliced<CpuSamples> {
  try {
    return holds.time(() => recording.stop());
  } finally {
    processState().cpuBusy = false;
  }
}

/** Error messages of `pprof` and its addon when the application uses them directly. */
const BUSY = /already (?:profiling|started)/;

function startSampling(cpu: CpuSampler, hz: number, afterGc: boolean): CpuRecording {
  try {
    return cpu.start(hz, afterGc);
  } catch (cause) {
    throw BUSY.test(String(cause))
      ? new ProfilerBusyError('profile', { cause })
      : new ProfilerUnavailableError('profile', cause);
  }
}
