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

/** One of the profiles of V8's that follow one another. */
export class CpuSegment implements Span {
  readonly beginMicros = nowMicros();
  endMicros = Infinity;
  /** At its begin. */
  readonly times: ProcessTimes | undefined;
  readonly readings: CpuClockReader | undefined;
  /** After it, if V8's profiler was ended then. */
  last: ProcessTimes | undefined;
  readonly excluded: [beginMicros: number, endMicros: number][] = [];
  /** The longest time that it held the event loop. */
  holdMs: number;
  /** V8 has nothing more of it. */
  isHandedOut = false;
  private pending: Sliced<SampledSegment> | undefined;
  private result: SampledSegment | undefined;

  /**
   * To be made when V8 has begun.
   *
   * @param askedMicros right before V8 was told to begin
   * @param isKept whether anybody wants it, as far as is known
   * @param clock of the thread, where there is one
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

  /** Does work of our own, which does not count. */
  exclude(work: () => void): void {
    const begin = nowMicros();
    if (this.readings) this.readings.exclude(work);
    else work();
    this.excluded.push([begin, nowMicros()]);
  }

  /** What follows does not count. */
  end(): void {
    this.readings?.stop();
    this.endMicros = nowMicros();
  }

  /**
   * V8 has handed out its profile.
   *
   * @param known frames of other segments, to share
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
   * Turns a piece of V8's profile into samples, which take a tenth of its memory.
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
 * The samples of segments that follow one another.
 *
 * @param begin CPU times before the first one; undefined where the system does not tell them
 * @param end those after the last one
 * @param ended threads that have ended right before
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

/** CPU time while V8's profiler ran: it may have been stopped between two segments. */
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
