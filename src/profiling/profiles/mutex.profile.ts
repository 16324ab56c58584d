import { setTimeout } from 'node:timers/promises';
import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import type { ResolvedPprofOptions } from '../../interfaces/pprof-options.interface.js';
import { PPROF_OPTIONS } from '../../pprof.constants.js';
import { type LoopWatcher, watchLoop } from '../../sampling/loop-watch.js';
import type { TimedStack } from '../../sampling/rolling-cpu.js';
import { StackTable } from '../../sampling/stack-table.js';
import type { CapturedProfile } from '../captured-profile.js';
import { DELAY_TYPES, DelayTotals } from '../delay-totals.js';
import { DESCRIPTIONS } from '../descriptions.js';
import { differenceWindow } from '../difference-window.js';
import { ProfileMaker } from '../profile-maker.js';
import { RateSwitch, windowWith } from '../rate-switch.js';
import { NamedProfile, type ProfileWindow } from './named-profile.js';

/** The threshold of a window where the user has set none, in ms: a healthy server holds its loop for less. */
const WINDOW_THRESHOLD = 50;

const OFF =
  'off, since mutexProfileThreshold is 0: what holds the event loop is told when it is set, or for as long as seconds=N says';

/** `mutex`: what held the event loop, which is JavaScript's one lock, and how long it kept others waiting. */
@Injectable()
export class MutexProfile extends NamedProfile implements OnModuleDestroy {
  readonly name = 'mutex';
  readonly description = DESCRIPTIONS.mutex;
  /** ms: shorter holds are not told; 0: none are. */
  readonly threshold: RateSwitch;
  private readonly totals = new DelayTotals();
  private readonly stacks = new StackTable();
  private watcher: LoopWatcher | undefined;

  constructor(
    private readonly maker: ProfileMaker,
    @Inject(PPROF_OPTIONS) { enabled, mutexProfileThreshold }: ResolvedPprofOptions,
  ) {
    super();
    const own = enabled ? mutexProfileThreshold : 0;
    this.threshold = new RateSwitch(own, WINDOW_THRESHOLD, (ms) => this.watch(ms));
  }

  override get hint(): string | undefined {
    return this.threshold.rate > 0 ? undefined : OFF;
  }

  override get hasWindows(): boolean {
    return true;
  }

  override openWindow(): Promise<ProfileWindow> {
    return windowWith(this.threshold, () => differenceWindow(() => this.collect()));
  }

  onModuleDestroy(): void {
    this.threshold.end();
  }

  protected async take(): Promise<CapturedProfile> {
    if (this.watcher) await setTimeout(1); // whoever asks may be in the midst of a hold
    this.watcher?.catchUp();
    const ms = this.threshold.inForce;
    const about = [ms === 0 ? OFF : `what holds the event loop for longer than ${ms} ms is told`];
    return this.maker.make(this.name, DELAY_TYPES, this.totals.stacks(), { about });
  }

  private watch(thresholdMs: number): void {
    if (thresholdMs === 0) {
      this.watcher?.end();
      this.watcher = undefined;
    } else if (this.watcher) this.watcher.thresholdMs = thresholdMs;
    else this.watcher = watchLoop(thresholdMs, (stacks) => this.add(stacks));
  }

  /** A hold is one contention, of who held the loop for longest: not of V8's collector, where somebody made it work. */
  private add(stacks: readonly TimedStack[]): void {
    const holder = longestOf(stacks.filter(({ stack }) => !isGarbage(stack))) ?? longestOf(stacks);
    for (const timed of stacks) {
      this.totals.add(this.stacks.of(timed.stack), timed === holder ? 1 : 0, timed.nanos);
    }
  }
}

function longestOf(stacks: readonly TimedStack[]): TimedStack | undefined {
  const longest = Math.max(...stacks.map(({ nanos }) => nanos));
  return stacks.find(({ nanos }) => nanos === longest);
}

/** V8 does not tell who had allocated. */
function isGarbage([innermost]: TimedStack['stack']): boolean {
  return innermost?.functionName === '(garbage collector)';
}
