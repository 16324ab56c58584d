import type { CpuReadings } from './cpu-readings.js';
import type { Sliced } from './sampler.js';

/** Samples in the order of their times. */
export interface TimedSamples {
  readonly micros: ArrayLike<number>;
  /** For each sample the node that was innermost. */
  readonly nodes: ArrayLike<number>;
  /** Whether a node stands for work: what V8 calls idle does not. */
  isBusy(node: number): boolean;
}

export interface SharedTime {
  /** For each node its CPU time in nanoseconds. */
  readonly nanos: Float64Array;
  /** CPU time of slices in which no sample was busy: native code that V8 takes for idle. */
  readonly unsampledNanos: number;
}

/** With so many busy samples a slice is told well enough. */
const ENOUGH_SAMPLES = 5;

/** A slice that is nearly idle ends after so long, with fewer. */
const LONGEST_MICROS = 1_000_000;

/** A reading that comes so late was kept from coming by one task: a slice of its own, however it spent its time. */
const LATE_MICROS = 30_000;

/** Samples, or readings, between two yields. */
const PIECE = 200;

/**
 * Weighs samples by measured CPU time: what the thread's clock went on between two readings is shared among the samples
 * taken in between. So a call that blocks counts for what it used, and a sample that came late for what it stands for.
 *
 * Few samples make a coarse share, so readings are put together until there are enough of them; but a reading that
 * was late stands alone.
 *
 * What was sampled after the last reading counts for nothing: it is V8's own end of the profile.
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
