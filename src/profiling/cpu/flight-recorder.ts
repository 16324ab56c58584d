import {
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
  type OnModuleInit,
} from '@nestjs/common';
import { PPROF_OPTIONS, PPROF_SAMPLING, type ResolvedPprofOptions } from '../../pprof.options.js';
import { reasonOf } from '../../sampling/reason.js';
import type { Sampling, WarmMember, WarmOptions } from '../../sampling/sampler.js';
import { Captures } from '../capture.js';
import type { CapturedProfile } from '../captured-profile.js';
import { ProfilerArgumentError } from '../errors.js';
import { FrameResolver } from '../frames/frame-resolver.js';
import { HoldMeter } from '../loop.js';
import { cpuProfileOf } from './cpu-profile.js';
import { warmSince } from './cpu-recording.js';

/** Which part of the past to return. */
export interface PastCpuProfileOptions {
  /**
   * Number of seconds up to now; may be fractional.
   * @default all recorded seconds
   */
  readonly seconds?: number;
}

/** This module's use of the process's warm profiler, and of the samples that it keeps. */
@Injectable()
export class FlightRecorder implements OnModuleInit, OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger('PprofModule');
  private member: WarmMember | undefined;
  /** The reason why it is off. */
  private off = "it requires the options warm: 'always' and flightRecorder";

  constructor(
    @Inject(PPROF_SAMPLING) private readonly sampling: Sampling,
    @Inject(PPROF_OPTIONS) private readonly options: ResolvedPprofOptions,
    private readonly frames: FrameResolver,
    private readonly captures: Captures,
  ) {}

  /** Not in the constructor: if startup failed after it, V8's profiler would keep running. */
  onModuleInit(): void {
    const { enabled, warm } = this.options;
    if (!enabled) {
      this.off = 'the module is not enabled';
      return;
    }
    try {
      this.member = warm === 'always' ? this.keepWarm() : this.sampling.warm?.join();
    } catch (error) {
      this.off = reasonOf(error);
      this.logger.warn(`Cannot keep the CPU profiler running: ${this.off}`);
    }
  }

  private keepWarm(): WarmMember {
    if (!this.sampling.warm) throw new Error(this.sampling.cold);
    return this.sampling.warm.join(this.wanted());
  }

  /** The rate and recording time that this module requests. */
  private wanted(): WarmOptions {
    const { cpuProfileRate, flightRecorder } = this.options;
    const { seconds: pastSeconds, hz } = flightRecorder ?? { seconds: 0, hz: cpuProfileRate };
    return { hz, pastSeconds };
  }

  /** By now all modules have made their requests. */
  onApplicationBootstrap(): void {
    const { hz, pastSeconds } = this.wanted();
    const kept = this.options.warm === 'always' ? this.member?.kept : undefined;
    if (!kept || (kept.hz === hz && kept.pastSeconds === pastSeconds)) return;
    this.logger.warn(
      `The CPU profiler samples at ${kept.hz} Hz and keeps ${kept.pastSeconds} s, as another PprofModule of this process requires`,
    );
  }

  onModuleDestroy(): void {
    this.member?.leave();
    this.member = undefined;
  }

  /**
   * Returns the CPU profile of the last seconds from the flight recorder: at once, also while another capture is running.
   *
   * @throws ProfilerArgumentError if an option is invalid, or the flight recorder is off
   */
  past(options?: PastCpuProfileOptions): Promise<CapturedProfile> {
    return this.captures.run({ profile: 'profile' }, () => this.take(options));
  }

  /**
   * Captures without a log line or event, for callers that report the capture themselves.
   *
   * @param hz rejected if it is not the recorder's rate
   *
   * @internal
   */
  async take(options: PastCpuProfileOptions = {}, hz?: number): Promise<CapturedProfile> {
    const kept = this.member?.kept;
    if (!kept || kept.pastSeconds === 0) {
      throw new ProfilerArgumentError(`the flight recorder is off: ${this.off}`);
    }
    const { seconds = kept.pastSeconds } = options;
    if (!(typeof seconds === 'number' && seconds > 0)) {
      throw new ProfilerArgumentError(`invalid seconds ${seconds}: expected a number above 0`);
    }
    if (hz !== undefined && hz !== kept.hz) {
      throw new ProfilerArgumentError(`invalid hz ${hz}: the flight recorder samples at ${kept.hz} Hz`);
    }
    const holds = new HoldMeter();
    const { begin, seconds: recorded, samples } = holds.time(() => kept.recent(seconds));
    const timeNanos = BigInt(begin.getTime()) * 1_000_000n;
    const notes = [...shorter(seconds, recorded), warmSince(kept.since)];
    const facts = { hz: kept.hz, sampler: 'inspector', timeNanos, holds, notes } as const;
    return cpuProfileOf(facts, samples, this.frames, this.options.profileComments);
  }
}

/** A comment if less was recorded than requested. */
function shorter(seconds: number, recorded: number): string[] {
  return recorded < seconds - 0.1
    ? [`requested the last ${seconds} s, but only ${recorded.toFixed(1)} s are recorded`]
    : [];
}
