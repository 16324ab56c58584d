import type { Profiler } from 'node:inspector';
import { CpuClockReader, nowMicros } from './cpu-readings.js';
import {
  cpuSamplesOf,
  type CpuUse,
  type SampledSegment,
  sampledSegment,
  type Span,
} from './inspector-samples.js';
import type { NativeThread } from './native-threads.js';
import { ProcessTimes, usedByOthers } from './process-times.js';
import type { CpuSamples, RawFrame, Sliced, TimeApart } from './sampler.js';
import type { ThreadClock } from './thread-clock.js';

/** One of consecutive V8 profiles. */
export class CpuSegment implements Span {
  readonly beginMicros = nowMicros();
  endMicros = Infinity;
  /** CPU times at its start. */
  readonly times: ProcessTimes | undefined;
  readonly readings: CpuClockReader | undefined;
  /** CPU times after it, if V8's profiler was stopped then. */
  last: ProcessTimes | undefined;
  readonly excluded: [beginMicros: number, endMicros: number][] = [];
  /** The longest hold of the event loop by this segment. */
  holdMs: number;
  /** Whether V8 has returned its profile. */
  isHandedOut = false;
  private pending: Sliced<SampledSegment> | undefined;
  private result: SampledSegment | undefined;

  /**
   * Create it right after V8 has begun the profile.
   *
   * @param askedMicros time right before V8 was asked to begin
   * @param isKept whether its samples are needed, as far as is known
   * @param clock the thread's clock, if there is one
   */
  constructor(
    readonly title: string,
    readonly askedMicros: number,
    public isKept: boolean,
    clock: ThreadClock | undefined,
  ) {
    this.holdMs = (this.beginMicros - askedMicros) / 1000;
    if (!clock || !isKept) return;
    this.times = new ProcessTimes(clock);
    this.readings = new CpuClockReader(clock);
  }

  timeHold(work: () => void): void {
    const begin = performance.now();
    work();
    this.holdMs = Math.max(this.holdMs, performance.now() - begin);
  }

  /** Runs work of our own, which is excluded from CPU time and samples. */
  exclude(work: () => void): void {
    const begin = nowMicros();
    if (this.readings) this.readings.exclude(work);
    else work();
    this.excluded.push([begin, nowMicros()]);
  }

  /** Ends the segment: later samples don't count. */
  end(): void {
    this.readings?.stop();
    this.endMicros = nowMicros();
  }

  /**
   * Takes the profile that V8 returned.
   *
   * @param known frames of other segments, to share equal ones
   */
  take(profile: Profiler.Profile, known?: Map<string, RawFrame>): void {
    this.pending = sampledSegment(profile, this, known);
  }

  /** Its samples; undefined if V8 has none. */
  *samples(): Sliced<SampledSegment | undefined> {
    while (this.advance()) yield;
    return this.result;
  }

  /**
   * Converts a piece of V8's profile to samples, which take a tenth of the memory.
   *
   * @returns whether there is more to do
   */
  advance(): boolean {
    const step = this.pending?.next();
    if (step?.done) {
      this.result = step.value;
      this.pending = undefined;
    }
    return this.pending !== undefined;
  }
}

/**
 * The samples of consecutive segments.
 *
 * @param begin CPU times before the first one; undefined if the system does not report them
 * @param end CPU times after the last one
 * @param ended threads that ended right before `end`
 */
export function* samplesOf(
  segments: readonly CpuSegment[],
  begin: ProcessTimes | undefined,
  end: ProcessTimes | undefined,
  ended?: readonly NativeThread[],
): Sliced<CpuSamples> {
  const sampled: SampledSegment[] = [];
  for (const segment of segments) {
    const samples = yield* segment.samples();
    if (samples) sampled.push(samples);
  }
  return yield* cpuSamplesOf(sampled, begin && end && used(segments, begin, end, ended));
}

/** CPU time while V8's profiler was running; it may have been stopped between two segments. */
function used(
  segments: readonly CpuSegment[],
  begin: ProcessTimes,
  end: ProcessTimes,
  ended: readonly NativeThread[] | undefined,
): CpuUse {
  const use = { beginMicros: begin.micros, endMicros: end.micros, ownNanos: 0, others: [] as TimeApart[] };
  let from = begin;
  for (const [i, { last }] of segments.entries()) {
    const next = segments[i + 1]?.times;
    const to = next ? last : end;
    if (!to) continue;
    use.ownNanos += to.ownNanos - from.ownNanos;
    use.others.push(...usedByOthers(from, to, ended));
    from = next ?? end;
  }
  return use;
}
