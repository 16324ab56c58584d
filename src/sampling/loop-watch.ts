import { nowMicros } from './cpu-readings.js';
import type { CpuSegment } from './cpu-segment.js';
import { HoldFinder, type LoopHold, type LoopReading } from './hold-finder.js';
import { type SampledStretch, sharesOf } from './hold-shares.js';
import { reasonOf } from './reason.js';
import type { HoldShare, LoopWatch, Sliced, WarmOptions, WatchLoop } from './sampler.js';
import { openSchedulerCounts, type SchedulerCounts } from './thread-clock.js';
import { SampleWatch } from './warm-profiler.js';

/**
 * Watches the event loop of this thread: late timer ticks reveal holds, and samples of V8's profiler show what was executing. The
 * profiler runs all the time for this, since starting it during a hold would prolong the hold.
 *
 * @param unnamed the reason why V8's profiler can't be kept running, if it can't
 */
export function loopWatcher(unnamed: string | undefined): WatchLoop {
  return (options, report) => new BeatingWatch(options, report, unnamed);
}

/** Time limit for the processing of pending holds in a tick. */
const WORK_MICROS = 1000;

/** A hold that waits for its samples from V8. */
interface PendingHold {
  readonly hold: LoopHold;
  readonly thresholdMs: number;
  readonly hz: number;
  readonly segments: readonly CpuSegment[];
}

class BeatingWatch implements LoopWatch {
  private thresholdMs = 0;
  private finder: HoldFinder | undefined;
  private timer: NodeJS.Timeout | undefined;
  private samples: SampleWatch | undefined;
  private counts: SchedulerCounts | undefined;
  private failure: string | undefined;
  private readonly pending: PendingHold[] = [];
  /** The processing of the first pending one. */
  private work: Sliced<void> | undefined;

  constructor(
    private readonly options: WarmOptions,
    private readonly report: (shares: readonly HoldShare[]) => void,
    private readonly cold: string | undefined,
  ) {}

  get unnamed(): string | undefined {
    return this.cold ?? this.failure;
  }

  set(thresholdMs: number): void {
    if (thresholdMs === this.thresholdMs) return;
    this.thresholdMs = thresholdMs;
    clearTimeout(this.timer);
    if (thresholdMs === 0) return this.leave();
    this.join();
    this.counts ??= openSchedulerCounts();
    this.finder = new HoldFinder(thresholdMs, reading(this.counts));
    this.schedule(this.finder);
  }

  *settle(): Sliced<void> {
    if (this.pending.some(({ segments }) => !segments.every(isHandedOut))) this.samples?.cut();
    while (this.advance()) yield;
  }

  private join(): void {
    if (this.samples || this.cold) return;
    try {
      this.samples = new SampleWatch(this.options);
      this.failure = undefined;
    } catch (error) {
      this.failure = reasonOf(error);
    }
  }

  /** Pending holds are kept. */
  private leave(): void {
    if (this.pending.length > 0) this.samples?.cut();
    this.samples?.leave();
    this.samples = undefined;
    this.counts?.close();
    this.counts = undefined;
  }

  private schedule(finder: HoldFinder): void {
    this.timer = setTimeout(() => this.beat(finder), finder.everyMs).unref();
  }

  private beat(finder: HoldFinder): void {
    const hold = finder.beat(reading(this.counts));
    if (hold) this.found(hold);
    this.samples?.forget();
    this.schedule(finder);
    for (const until = nowMicros() + WORK_MICROS; this.advance() && nowMicros() < until;);
  }

  private found(hold: LoopHold): void {
    const { thresholdMs } = this;
    const { hz = this.options.hz, segments = [] } = this.samples?.since(hold.beginMicros) ?? {};
    this.pending.push({ hold, thresholdMs, hz, segments });
  }

  /**
   * Processes a piece of the pending holds whose samples V8 has returned.
   *
   * @returns whether there is more to do
   */
  private advance(): boolean {
    const [next] = this.pending;
    if (!next?.segments.every(isHandedOut)) return false;
    this.work ??= this.share(next);
    if (!this.work.next().done) return true;
    this.work = undefined;
    this.pending.shift();
    return this.pending.length > 0;
  }

  private *share({ hold, segments, thresholdMs, hz }: PendingHold): Sliced<void> {
    const stretches: SampledStretch[] = [];
    for (const segment of segments) {
      const { beginMicros, endMicros, excluded } = segment;
      stretches.push({ beginMicros, endMicros, excluded, samples: yield* segment.samples() });
    }
    const shares = yield* sharesOf(hold, stretches, 1e6 / hz);
    const micros = shares.reduce((sum, share) => sum + share.micros, 0);
    if (micros > thresholdMs * 1000) this.report(shares);
  }
}

const isHandedOut = ({ isHandedOut }: CpuSegment): boolean => isHandedOut;

function reading(counts: SchedulerCounts | undefined): LoopReading {
  const { cpuNanos = 0, delayedNanos = 0 } = counts?.read() ?? {};
  return {
    micros: nowMicros(),
    idleMicros: performance.nodeTiming.idleTime * 1000,
    waits: process.resourceUsage().voluntaryContextSwitches,
    cpuMicros: cpuNanos / 1000,
    delayedMicros: delayedNanos / 1000,
  };
}
