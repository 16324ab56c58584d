import { Inject, Injectable, Logger, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { PPROF_OPTIONS, PPROF_SAMPLING, type ResolvedPprofOptions } from '../../pprof.options.js';
import { chooseSampler } from '../../sampling/choose-sampler.js';
import { collectGarbage } from '../../sampling/garbage.js';
import { inspectorProblem } from '../../sampling/inspector-session.js';
import { reasonOf } from '../../sampling/reason.js';
import {
  CPU_RATE,
  type CpuSampler,
  SAMPLER_NAMES,
  type SamplerName,
  type Sampling,
  type WarmMember,
} from '../../sampling/sampler.js';
import { type CapturedProfile, Captures } from '../capture.js';
import { cpuProfileOf } from './cpu-profile.js';
import {
  beginCpuCapture,
  type CpuCapture,
  freeCpuCapture,
  refuseIfBusy,
  warmSince,
} from './cpu-recording.js';
import { ProfilerArgumentError, ProfilerNotStartedError } from '../errors.js';
import { FrameResolver } from '../frames/frame-resolver.js';
import { checkSignal, HoldMeter, wait } from '../loop.js';

export { CPU_RATE, SAMPLER_NAMES, type SamplerName };

/** How to take a CPU profile. */
export interface CpuProfileOptions {
  /**
   * How long, in seconds; parts of a second count.
   * @default 30
   */
  readonly seconds?: number;
  /**
   * Samples per second, 1 to 1000. A rate that the profiler is not kept warm at has it started for this capture.
   * @default the option `cpuProfileRate`
   */
  readonly hz?: number;
  /**
   * What samples, for this capture only.
   * @default the option `sampler`
   */
  readonly sampler?: SamplerName;
  /**
   * Collect the garbage first, which stops the process for as long as that takes. From Node 22 on V8's profiler does not
   * know code that was compiled by on-stack replacement before the capture, and counts its time for the caller; after
   * a collection it knows all.
   * @default false
   */
  readonly gc?: boolean;
  /** Ends the capture early. That is no error: the profile holds what was sampled until then. */
  readonly signal?: AbortSignal;
}

/** Which of the past seconds to show. */
export interface PastCpuProfileOptions {
  /**
   * How many, up to now; parts of a second count.
   * @default all that are kept
   */
  readonly seconds?: number;
}

/** setTimeout takes no more than 2^31 - 1 ms. */
const MAX_SECONDS = 2_147_483;

/**
 * Takes CPU profiles of the main thread: V8's samples of what was executing. One at a time in a process.
 *
 * @publicApi
 */
@Injectable()
export class CpuProfiler implements OnModuleInit, OnModuleDestroy {
  private readonly logger = new Logger('PprofModule');
  private readonly closing = new AbortController();
  private started: { readonly capture: CpuCapture; readonly since: number } | undefined;
  private member: WarmMember | undefined;

  /** @internal */
  constructor(
    @Inject(PPROF_SAMPLING) private readonly sampling: Sampling,
    @Inject(PPROF_OPTIONS) private readonly options: ResolvedPprofOptions,
    private readonly frames: FrameResolver,
    private readonly captures: Captures,
  ) {}

  /** Not in the constructor: a boot that fails before would leave V8's profiler running. */
  onModuleInit(): void {
    const { enabled, warm } = this.options;
    if (!enabled) return;
    try {
      this.member = warm === 'always' ? this.keepWarm() : this.sampling.warm?.join();
    } catch (error) {
      this.logger.warn(`The CPU profiler is not kept warm: ${reasonOf(error)}`);
    }
  }

  private keepWarm(): WarmMember {
    const { cpuProfileRate, flightRecorder: { seconds, hz } = { seconds: 0, hz: cpuProfileRate } } =
      this.options;
    if (!this.sampling.warm) throw new Error(inspectorProblem());
    const member = this.sampling.warm.join({ hz, pastSeconds: seconds });
    const { kept } = member;
    if (kept && (kept.hz !== hz || kept.pastSeconds !== seconds)) {
      this.logger.warn(
        `The CPU profiler is kept warm at ${kept.hz} Hz with the last ${kept.pastSeconds} s, as another module of this process wants it`,
      );
    }
    return member;
  }

  /**
   * Samples for a time. Shutting down ends it early too.
   *
   * @throws ProfilerBusyError while another CPU capture runs
   * @throws ProfilerUnavailableError if the sampler does not work in this process
   * @throws ProfilerArgumentError if an option is invalid
   */
  profile(options?: CpuProfileOptions): Promise<CapturedProfile> {
    return this.captures.run({ profile: 'profile' }, () => this.take(options));
  }

  /**
   * The capture alone, for those who report it themselves.
   *
   * @internal
   */
  async take({
    seconds = 30,
    hz = this.options.cpuProfileRate,
    sampler,
    gc,
    signal,
  }: CpuProfileOptions = {}): Promise<CapturedProfile> {
    if (!(typeof seconds === 'number' && seconds > 0 && seconds <= MAX_SECONDS)) {
      throw new ProfilerArgumentError(`invalid seconds ${seconds}: expected a number in (0, ${MAX_SECONDS}]`);
    }
    checkSignal(signal);
    checkRate(hz);
    refuseIfBusy();
    const cpu = sampler === undefined ? this.sampling.cpu : await this.samplerNamed(sampler);
    if (gc) await collectGarbage();
    const capture = beginCpuCapture(cpu, hz, gc);
    const endReadingAhead = this.frames.readAhead(capture.holds);
    await wait(seconds * 1000, signal, this.closing.signal);
    try {
      return await this.end(capture);
    } finally {
      await endReadingAhead();
    }
  }

  /**
   * What was sampled in the last seconds, from the flight recorder: at once, also while another capture runs.
   *
   * @throws ProfilerArgumentError if an option is invalid, or the option `flightRecorder` is off
   */
  past(options?: PastCpuProfileOptions): Promise<CapturedProfile> {
    return this.captures.run({ profile: 'profile' }, () => this.takePast(options));
  }

  /**
   * The capture alone, for those who report it themselves.
   *
   * @param hz refused if it is not the recorder's
   *
   * @internal
   */
  async takePast({ seconds }: PastCpuProfileOptions = {}, hz?: number): Promise<CapturedProfile> {
    const kept = this.member?.kept;
    if (!kept || kept.pastSeconds === 0) {
      throw new ProfilerArgumentError(
        "nothing of the past is kept: that takes the options warm: 'always' and flightRecorder",
      );
    }
    const asked = seconds ?? kept.pastSeconds;
    if (!(typeof asked === 'number' && asked > 0)) {
      throw new ProfilerArgumentError(`invalid seconds ${seconds}: expected a number above 0`);
    }
    if (hz !== undefined && hz !== kept.hz) {
      throw new ProfilerArgumentError(`the past was sampled at ${kept.hz} Hz, not at ${hz}`);
    }
    const holds = new HoldMeter();
    const { begin, samples } = holds.time(() => kept.recent(asked));
    const timeNanos = BigInt(begin.getTime()) * 1_000_000n;
    const notes = [...shorter(asked, begin), warmSince(kept.since)];
    const facts = { hz: kept.hz, sampler: 'inspector', timeNanos, holds, notes } as const;
    return cpuProfileOf(facts, samples, this.frames, this.options.profileComments);
  }

  /**
   * Starts sampling until {@link stop}, as Go's `pprof.StartCPUProfile` does.
   *
   * @param hz samples per second, 1 to 1000; the option `cpuProfileRate` if left out
   * @throws ProfilerBusyError while another CPU capture runs
   * @throws ProfilerUnavailableError if the sampler does not work in this process
   * @throws ProfilerArgumentError if `hz` is out of bounds
   */
  start(hz = this.options.cpuProfileRate): void {
    checkRate(hz);
    const since = performance.now();
    this.started = { capture: beginCpuCapture(this.sampling.cpu, hz), since };
  }

  /**
   * Ends what {@link start} began.
   *
   * @throws ProfilerNotStartedError if nothing was started
   */
  async stop(): Promise<CapturedProfile> {
    const { started } = this;
    if (!started) throw new ProfilerNotStartedError();
    this.started = undefined;
    const { capture, since } = started;
    return this.captures.run({ profile: 'profile', since }, () => this.end(capture));
  }

  onModuleDestroy(): void {
    this.closing.abort();
    if (this.started) freeCpuCapture(this.started.capture);
    this.started = undefined;
    this.member?.leave();
    this.member = undefined;
  }

  private end(capture: CpuCapture): Promise<CapturedProfile> {
    return cpuProfileOf(capture, freeCpuCapture(capture), this.frames, this.options.profileComments);
  }

  private async samplerNamed(name: SamplerName): Promise<CpuSampler> {
    if (!SAMPLER_NAMES.includes(name)) {
      throw new ProfilerArgumentError(
        `invalid sampler ${String(name)}: expected ${SAMPLER_NAMES.join(' or ')}`,
      );
    }
    try {
      const { sampling } = await chooseSampler({ sampler: name, warm: this.options.warm !== 'off' });
      return sampling.cpu;
    } catch (cause) {
      throw new ProfilerArgumentError((cause as Error).message, { cause });
    }
  }
}

/** A comment if less was kept than was asked for. */
function shorter(seconds: number, begin: Date): string[] {
  const kept = (Date.now() - begin.getTime()) / 1000;
  return kept < seconds - 0.1
    ? [`of the last ${seconds} s that were asked for, ${kept.toFixed(1)} s were kept`]
    : [];
}

function checkRate(hz: number): void {
  if (!(Number.isInteger(hz) && hz >= CPU_RATE.min && hz <= CPU_RATE.max)) {
    throw new ProfilerArgumentError(
      `invalid hz ${hz}: expected an integer from ${CPU_RATE.min} to ${CPU_RATE.max}`,
    );
  }
}
