import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import type { ResolvedPprofOptions } from '../../interfaces/pprof-options.interface.js';
import { PPROF_OPTIONS } from '../../pprof.constants.js';
import type { WaitSubscription } from '../../sampling/async-waits.js';
import { AsyncTracker } from '../async-tracker.js';
import type { CapturedProfile } from '../captured-profile.js';
import { DELAY_TYPES, DelayTotals } from '../delay-totals.js';
import { DESCRIPTIONS } from '../descriptions.js';
import { differenceWindow } from '../difference-window.js';
import { ProfileMaker } from '../profile-maker.js';
import { RateSwitch, windowWith } from '../rate-switch.js';
import { NamedProfile, type ProfileWindow } from './named-profile.js';

/** `block`: where executions have waited, and for how long. */
@Injectable()
export class BlockProfile extends NamedProfile implements OnModuleDestroy {
  readonly name = 'block';
  readonly description = DESCRIPTIONS.block;
  /** One wait in so many is told; 0: none. */
  readonly rate: RateSwitch;
  private readonly totals = new DelayTotals();
  private waits: WaitSubscription | undefined;

  constructor(
    private readonly tracker: AsyncTracker,
    private readonly maker: ProfileMaker,
    @Inject(PPROF_OPTIONS) { enabled, blockProfileRate }: ResolvedPprofOptions,
  ) {
    super();
    this.rate = new RateSwitch(enabled ? blockProfileRate : 0, 1, (every) => this.observe(every));
  }

  override get hint(): string | undefined {
    return this.rate.rate > 0
      ? undefined
      : 'off: it is on with blockProfileRate, or for as long as seconds=N says';
  }

  override get hasWindows(): boolean {
    return true;
  }

  override openWindow(): Promise<ProfileWindow> {
    return windowWith(this.rate, () => differenceWindow(() => this.collect()));
  }

  onModuleDestroy(): void {
    this.rate.end();
  }

  protected take(): Promise<CapturedProfile> {
    return this.maker.make(this.name, DELAY_TYPES, this.totals.stacks(), {
      about: [told(this.rate.inForce)],
    });
  }

  private observe(every: number): void {
    this.waits?.close();
    this.waits =
      every === 0
        ? undefined
        : this.tracker.observe(
            {
              callbacks: true,
              ended: ({ stack }, ms) => this.totals.add(stack, every, ms * 1e6 * every),
            },
            every,
          );
  }
}

function told(every: number): string {
  if (every === 0) return 'off: waits are told with blockProfileRate, or for as long as seconds=N says';
  return every === 1 ? 'every wait is told' : `one wait in ${every} is told, and stands for ${every}`;
}
