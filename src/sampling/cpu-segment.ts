import type { Profiler } from 'node:inspector';
import { CpuClockReader, nowMicros } from './cpu-readings.js';
import { type SampledSegment, sampledSegment, type Span } from './inspector-samples.js';
import { ProcessTimes } from './process-times.js';
import type { RawFrame, Sliced } from './sampler.js';
import type { ThreadClock } from './thread-clock.js';

/** One of the profiles of V8's that follow one another. */
export class CpuSegment implements Span {
  readonly beginMicros = nowMicros();
  endMicros = Infinity;
  /** At its begin. */
  readonly times: ProcessTimes | undefined;
  readonly readings: CpuClockReader | undefined;
  /** The longest time that it held the event loop. */
  holdMs: number;
  private pending: Sliced<SampledSegment> | undefined;
  private result: SampledSegment | undefined;

  /**
   * To be made when V8 has begun.
   *
   * @param askedMicros right before V8 was told to begin
   * @param isKept whether anybody wants it
   * @param clock of the thread, where there is one
   */
  constructor(
    readonly title: string,
    readonly askedMicros: number,
    readonly isKept: boolean,
    clock: ThreadClock | undefined,
  ) {
    this.holdMs = (this.beginMicros - askedMicros) / 1000;
    if (!clock || !isKept) return;
    this.times = new ProcessTimes(clock);
    this.readings = new CpuClockReader(clock);
  }

  hold(work: () => void): void {
    const begin = performance.now();
    work();
    this.holdMs = Math.max(this.holdMs, performance.now() - begin);
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
  take(profile: Profiler.Profile, known: Map<string, RawFrame>): void {
    this.pending = sampledSegment(profile, this, known);
  }

  /** Turns the profile into samples, a piece at each turn of the loop: they take a tenth of its memory. */
  readonly shrink = (): void => {
    if (this.advance()) setImmediate(this.shrink);
  };

  /** Its samples; undefined if V8 has none. */
  *samples(): Sliced<SampledSegment | undefined> {
    while (this.advance()) yield;
    return this.result;
  }

  /** @returns whether there is more to do */
  private advance(): boolean {
    const step = this.pending?.next();
    if (step?.done) {
      this.result = step.value;
      this.pending = undefined;
    }
    return this.pending !== undefined;
  }
}
