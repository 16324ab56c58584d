import type { CpuReadings } from './cpu-readings.js';
import type { Sliced } from './sampler.js';

/** Samples in the order of their times. */
export interface TimedSamples {
  readonly micros: ArrayLike<number>;
  /** Innermost node of each sample. */
  readonly nodes: ArrayLike<number>;
  /** Whether a node is work, that is, not idle according to V8. */
  isBusy(node: number): boolean;
}

export interface SharedTime {
  /** CPU time of each node, in nanoseconds. */
  readonly nanos: Float64Array;
  /** CPU time of slices without busy samples: native code that V8 considers idle. */
  readonly unsampledNanos: number;
}

/** With this many busy samples, a slice is precise enough. */
const ENOUGH_SAMPLES = 5;

/** Maximum length of a slice that is nearly idle and has fewer samples. */
const LONGEST_MICROS = 1_000_000;

/** A reading that is this late was delayed by one task, which becomes a separate slice. */
const LATE_MICROS = 30_000;

/** Samples, or readings, between two yields. */
const PIECE = 200;

/**
 * Weights samples by measured CPU time: the CPU time between two readings is distributed over the samples in between. So a blocking
 * call counts with the CPU time that it used, and a late sample with the time that it represents.
 *
 * With few samples the distribution is coarse, so readings are joined to slices until there are enough samples; a late reading is a
 * separate slice.
 *
 * Samples after the last reading don't count: they are of V8 ending the profile.
 *
 * @param nodeCount number of nodes in the tree
 */
export function* shareCpuTime(
  { micros, cpuNanos }: CpuReadings,
  samples: TimedSamples,
  nodeCount: number,
): Sliced<SharedTime> {
  const nanos = new Float64Array(nodeCount);
  let unsampledNanos = 0;
  let busy: number[] = [];
  let begin = 0;

  const close = (end: number): void => {
    const used = cpuNanos[end]! - cpuNanos[begin]!;
    for (const node of busy) nanos[node]! += used / busy.length;
    if (busy.length === 0) unsampledNanos += used;
    busy = [];
    begin = end;
  };

  let next = 0;
  const last = micros.length - 1;
  for (let reading = 1; reading <= last; reading++) {
    if (reading % PIECE === 0) yield;
    const isLate = micros[reading]! - micros[reading - 1]! >= LATE_MICROS;
    if (isLate && begin < reading - 1) close(reading - 1);
    for (; next < samples.nodes.length && samples.micros[next]! < micros[reading]!; next++) {
      if (next % PIECE === 0) yield;
      const node = samples.nodes[next]!;
      if (samples.isBusy(node)) busy.push(node);
    }
    const isLong = micros[reading]! - micros[begin]! >= LONGEST_MICROS;
    if (isLate || isLong || busy.length >= ENOUGH_SAMPLES) close(reading);
  }
  if (begin < last) close(last);
  return { nanos, unsampledNanos };
}
