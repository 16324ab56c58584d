import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import { PPROF_OPTIONS, PPROF_SAMPLING, type ResolvedPprofOptions } from '../../pprof.options.js';
import { chooseSampler } from '../../sampling/choose-sampler.js';
import { collectGarbage } from '../../sampling/garbage.js';
import {
  CPU_RATE,
  type CpuSampler,
  SAMPLER_NAMES,
  type SamplerName,
  type Sampling,
} from '../../sampling/sampler.js';
import { Captures, type RunningCapture } from '../capture.js';
import type { CapturedProfile } from '../captured-profile.js';
import { cpuProfileOf } from './cpu-profile.js';
import { beginCpuCapture, type CpuCapture, freeCpuCapture, refuseIfBusy } from './cpu-recording.js';
import { ProfilerArgumentError, ProfilerNotStartedError } from '../errors.js';
import { FrameResolver } from '../frames/frame-resolver.js';
import { checkSignal, wait } from '../loop.js';

export { CPU_RATE, SAMPLER_NAMES, type SamplerName };

/** How to take a CPU profile. */
export interface CpuProfileOptions {
  /**
   * Duration in seconds; may be fractional.
   * @default 30
   */
  readonly seconds?: number;
  /**
   * Samples per second, 1 to 1000. V8's profiler is started for this capture unless it already runs at this rate.
   * @default the option `cpuProfileRate`
   */
  readonly hz?: number;
  /**
   * The sampler to use for this capture.
   * @default the option `sampler`
   */
  readonly sampler?: SamplerName;
  /**
   * Whether to collect garbage first, which holds the event loop meanwhile. V8's profiler attributes the time of code that was
   * compiled by on-stack replacement before the capture to its caller; after a garbage collection it attributes it correctly.
   * @default false
   */
  readonly gc?: boolean;
  /** Aborting it ends the capture early, without an error: the profile has the samples up to then. */
  readonly signal?: AbortSignal;
}

/** The limit of setTimeout, 2^31 - 1 ms. */
const MAX_SECONDS = 2_147_483;

/**
 * Takes CPU profiles of the main thread: V8 samples its stack. One capture at a time per process.
 *
 * @publicApi
 */
@Injectable()
export class CpuProfiler implements OnModuleDestroy {
  private readonly closing = new AbortController();
  private started: { readonly capture: CpuCapture; readonly running: RunningCapture } | undefined;

  /** @internal */
  constructor(
    @Inject(PPROF_SAMPLING) private readonly sampling: Sampling,
    @Inject(PPROF_OPTIONS) private readonly options: ResolvedPprofOptions,
    private readonly frames: FrameResolver,
    private readonly captures: Captures,
  ) {}

  /**
   * Captures a CPU profile. Ends early when the application shuts down.
   *
   * @throws ProfilerBusyError while another CPU capture runs
   * @throws ProfilerUnavailableError if the sampler does not work in this process
   * @throws ProfilerArgumentError if an option is invalid
   */
  profile(options?: CpuProfileOptions): Promise<CapturedProfile> {
    return this.captures.run({ profile: 'profile' }, () => this.take(options));
  }

  /**
   * Captures without a log line or event, for callers that report the capture themselves.
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
   * Starts a CPU profile that {@link stop} ends, like Go's `pprof.StartCPUProfile`.
   *
   * @param hz samples per second, 1 to 1000; defaults to the option `cpuProfileRate`
   * @throws ProfilerBusyError while another CPU capture runs
   * @throws ProfilerUnavailableError if the sampler does not work in this process
   * @throws ProfilerArgumentError if `hz` is out of bounds
   */
  start(hz = this.options.cpuProfileRate): void {
    checkRate(hz);
    const since = performance.now();
    const capture = beginCpuCapture(this.sampling.cpu, hz);
    this.started = { capture, running: this.captures.begin({ profile: 'profile', since }) };
  }

  /**
   * Ends the profile that {@link start} began, and returns it.
   *
   * @throws ProfilerNotStartedError if nothing was started
   */
  async stop(): Promise<CapturedProfile> {
    const { started } = this;
    if (!started) throw new ProfilerNotStartedError('cpu profiling');
    this.started = undefined;
    const { capture, running } = started;
    this.captures.end(running); // `run` begins it again, with the same start
    return this.captures.run(running, () => this.end(capture));
  }

  onModuleDestroy(): void {
    this.closing.abort();
    if (this.started) freeCpuCapture(this.started.capture);
    this.started = undefined;
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
      const sampling = await chooseSampler({ sampler: name, warm: this.options.warm !== 'off' });
      return sampling.cpu;
    } catch (cause) {
      throw new ProfilerArgumentError((cause as Error).message, { cause });
    }
  }
}

function checkRate(hz: number): void {
  if (!(Number.isInteger(hz) && hz >= CPU_RATE.min && hz <= CPU_RATE.max)) {
    throw new ProfilerArgumentError(
      `invalid hz ${hz}: expected an integer from ${CPU_RATE.min} to ${CPU_RATE.max}`,
    );
  }
}
