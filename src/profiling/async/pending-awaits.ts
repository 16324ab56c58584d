import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { PPROF_OPTIONS, type ResolvedPprofOptions } from '../../pprof.options.js';
import type { ObservedWaits } from '../../sampling/async-hook.js';
import type { Wait } from '../../sampling/wait-sample.js';
import { RateSwitch } from '../rate-switch.js';
import { AsyncTracker } from './async-tracker.js';
import { LostAwaits } from './lost-awaits.js';

/** Samples `await`s for `goroutine` and `goroutineleak`: which are pending, and which can never resume. */
@Injectable()
export class PendingAwaits implements OnModuleInit, OnModuleDestroy {
  readonly rate = new RateSwitch(
    {
      option: 'goroutineProfileRate',
      setter: 'setGoroutineProfileRate',
      meaning: (rate) => (rate === 1 ? 'every await' : `one await in ${rate}`),
      windowRate: 1,
      inWindow: 'every await, which can slow the service down several times',
    },
    (rate) => this.track(rate),
  );
  readonly lost = new LostAwaits();
  private observed: ObservedWaits | undefined;

  constructor(
    @Inject(PPROF_OPTIONS) private readonly options: ResolvedPprofOptions,
    private readonly tracker: AsyncTracker,
  ) {}

  /** Not in the constructor: if startup failed after it, the hook would stay enabled. */
  onModuleInit(): void {
    if (this.options.enabled) this.rate.set(this.options.goroutineProfileRate);
  }

  onModuleDestroy(): void {
    this.rate.end();
  }

  /** The pending awaits, oldest first. */
  *pending(): Generator<Wait, void> {
    const now = performance.now();
    for (const wait of this.observed?.pending() ?? []) {
      if (wait.begin > now) return; // began after the read, which runs in slices
      yield wait;
    }
  }

  /** Finds awaits that can never resume; call it after a garbage collection. Yields now and then. */
  *findLost(): Generator<void, void> {
    yield* this.observed?.findLost() ?? [];
  }

  private track(rate: number): void {
    this.observed?.stop();
    this.observed =
      rate === 0
        ? undefined
        : this.tracker.observe({ rate, callbacks: false, lost: (wait) => this.lost.add(wait, rate) });
  }
}
