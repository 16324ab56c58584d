import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { PPROF_OPTIONS, type ResolvedPprofOptions } from '../../pprof.options.js';
import type { ObservedWaits } from '../../sampling/async-hook.js';
import { Captures } from '../capture.js';
import { CapturedProfile } from '../captured-profile.js';
import { FrameResolver } from '../frames/frame-resolver.js';
import { CONTENTIONS, countsHeader, profileOfSamples } from '../frames/stack-samples.js';
import { HoldMeter, runSliced } from '../loop.js';
import { RatedProfile } from '../rated-profile.js';
import { RateSwitch } from '../rate-switch.js';
import { StackTotals } from '../stack-totals.js';
import { AsyncTracker } from './async-tracker.js';
import { requestOf } from './requests-in-flight.js';

/** `block`: how long asynchronous executions waited, by the stack that began the wait. A wait is counted when it ends. */
@Injectable()
export class BlockProfile extends RatedProfile implements OnModuleInit, OnModuleDestroy {
  readonly name = 'block';
  readonly description =
    'Time that asynchronous executions spent waiting, by the stack of the innermost await or callback.';
  private readonly totals = new StackTotals();
  private observed: ObservedWaits | undefined;

  constructor(
    @Inject(PPROF_OPTIONS) private readonly options: ResolvedPprofOptions,
    private readonly tracker: AsyncTracker,
    private readonly frames: FrameResolver,
    private readonly log: Captures,
  ) {
    super(
      log,
      new RateSwitch(
        {
          option: 'blockProfileRate',
          setter: 'setBlockProfileRate',
          meaning: (rate) => (rate === 1 ? 'every wait' : `one wait in ${rate}`),
          windowRate: 1,
          inWindow: 'every wait, which can slow the service down several times',
        },
        (rate) => this.track(rate),
      ),
    );
  }

  /** Not in the constructor: if startup failed after it, the hook would stay enabled. */
  onModuleInit(): void {
    if (this.options.enabled) this.rate.set(this.options.blockProfileRate);
  }

  onModuleDestroy(): void {
    this.rate.end();
  }

  protected async read(): Promise<CapturedProfile> {
    const holds = new HoldMeter();
    const header = countsHeader(
      CONTENTIONS,
      this.log.comments([`${this.name} is ${this.status}`, ...this.totals.comments]),
    );
    const samples = await runSliced(this.totals.samples(), holds);
    const profile = await profileOfSamples(header, samples, this.frames, holds);
    return new CapturedProfile(this.name, profile, holds);
  }

  private track(rate: number): void {
    this.observed?.stop();
    this.observed =
      rate === 0
        ? undefined
        : this.tracker.observe({
            rate,
            callbacks: true,
            ended: ({ stack, context }, ms) => {
              if (!requestOf(context)?.own) this.totals.add(stack, [rate, ms * 1e6 * rate]);
            },
          });
  }
}
