import { setTimeout } from 'node:timers/promises';
import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { PPROF_OPTIONS, PPROF_SAMPLING, type ResolvedPprofOptions } from '../../pprof.options.js';
import type { LoopWatch, Sampling } from '../../sampling/sampler.js';
import { Captures } from '../capture.js';
import { CapturedProfile } from '../captured-profile.js';
import { buildStackProfile, FrameResolver } from '../frames/frame-resolver.js';
import { CONTENTIONS, countsHeader } from '../frames/stack-samples.js';
import { MAX_STACKS, OTHER_STACKS } from '../heap/allocation-totals.js';
import { HoldMeter, runSliced } from '../loop.js';
import { RatedProfile } from '../rated-profile.js';
import { RateSwitch } from '../rate-switch.js';
import { MutexTotals } from './mutex-totals.js';

const RULE = {
  option: 'mutexProfileThreshold',
  setter: 'setMutexProfileThreshold',
  meaning: (ms: number) => `holds of the event loop longer than ${ms} ms`,
  windowRate: 50,
  inWindow: 'holds of the event loop longer than 50 ms',
} as const;

/** After this time, in ms, the delayed timer has detected a hold that ended, and V8 has its last sample. */
const SETTLED_MS = 25;

/**
 * What held the event loop, JavaScript's only lock, and for how long. Each hold is one contention, at the stack that took most of
 * it; its delay is distributed over the stacks that were sampled in it.
 */
@Injectable()
export class MutexProfile extends RatedProfile implements OnModuleInit, OnModuleDestroy {
  readonly name = 'mutex';
  readonly description =
    'Times when code held the event loop for longer than a threshold, by the stack that was executing, and for how long.';
  private readonly totals = new MutexTotals();
  private readonly watch: LoopWatch;
  /** Hold by starting V8's profiler, which the next capture reports. */
  private switching = new HoldMeter();
  /** The last effective threshold, in ms. */
  private thresholdMs = 0;

  /** @internal */
  constructor(
    @Inject(PPROF_SAMPLING) { watchLoop }: Sampling,
    @Inject(PPROF_OPTIONS) private readonly options: ResolvedPprofOptions,
    private readonly frames: FrameResolver,
    private readonly log: Captures,
  ) {
    super(log, new RateSwitch(RULE, (ms) => this.apply(ms)));
    const { cpuProfileRate: hz, flightRecorder } = options;
    const pastSeconds = flightRecorder?.seconds ?? 0; // otherwise the flight recorder would have to restart the profiler
    this.watch = watchLoop({ hz, pastSeconds }, (shares) => this.totals.add(shares));
  }

  /** Not in the constructor: if startup failed after it, the watch would stay on. */
  onModuleInit(): void {
    if (this.options.enabled) this.rate.set(this.options.mutexProfileThreshold);
  }

  onModuleDestroy(): void {
    this.rate.end();
  }

  private apply(thresholdMs: number): void {
    this.switching.time(() => this.watch.set(thresholdMs));
    this.thresholdMs = thresholdMs || this.thresholdMs;
  }

  protected async read(): Promise<CapturedProfile> {
    const holds = this.switching;
    this.switching = new HoldMeter();
    await setTimeout(SETTLED_MS);
    await runSliced(this.watch.settle(), holds);
    const { tree, stacks } = this.totals.read();
    const header = countsHeader(CONTENTIONS, this.log.comments(this.about()));
    const places = await this.frames.resolve(tree.frames, holds);
    const profile = await runSliced(buildStackProfile(header, tree, places, stacks), holds);
    return new CapturedProfile(this.name, profile, holds);
  }

  private about(): string[] {
    const { thresholdMs, watch, totals } = this;
    if (thresholdMs === 0) return [];
    return [
      RULE.meaning(thresholdMs),
      ...(watch.unnamed === undefined
        ? [LINES]
        : [`the stacks that held the event loop are unknown: ${watch.unnamed}`]),
      ...(totals.isFull ? [`more than ${MAX_STACKS} stacks: the others are counted as ${OTHER_STACKS}`] : []),
    ];
  }
}

const LINES =
  'the innermost frame shows the executing line where it is known; other frames show the first line of the function';
