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
import { type CapturedProfile, Captures } from '../capture.js';
import { cpuProfileOf } from './cpu-profile.js';
import { beginCpuCapture, type CpuCapture, freeCpuCapture, refuseIfBusy } from './cpu-recording.js';
import { ProfilerArgumentError, ProfilerNotStartedError } from '../errors.js';
import { FrameResolver } from '../frames/frame-resolver.js';
import { checkSignal, wait } from '../loop.js';

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
   * Collect the garbage first, which stops the process for as long as that takes. V8's profiler does not
   * know code that was compiled by on-stack replacement before the capture, and counts its time for the caller; after
   * a collection it knows all.
   * @default false
   */
  readonly gc?: boolean;
  /** Ends the capture early. That is no error: the profile holds what was sampled until then. */
  readonly signal?: AbortSignal;
}

/** setTimeout takes no more than 2^31 - 1 ms. */
const MAX_SECONDS = 2_147_483;

/**
 * Takes CPU profiles of the main thread: V8's samples of what was executing. One at a time in a process.
 *
 * @publicApi
 */
@Injectable()
export class CpuProfiler implements OnModuleDestroy {
  private readonly closing = new AbortController();
  private started:
    { readonly capture: CpuCapture; readonly since: number; readonly end: () => void } | undefined;

  /** @internal */
  constructor(
    @Inject(PPROF_SAMPLING) private readonly sampling: Sampling,
    @Inject(PPROF_OPTIONS) private readonly options: ResolvedPprofOptions,
    private readonly frames: FrameResolver,
    private readonly captures: Captures,
  ) {}

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
    const capture = beginCpuCapture(this.sampling.cpu, hz);
    this.started = { capture, since, end: this.captures.begin({ profile: 'profile', since }) };
  }

  /**
   * Ends what {@link start} began.
   *
   * @throws ProfilerNotStartedError if nothing was started
   */
  async stop(): Promise<CapturedProfile> {
    const { started } = this;
    if (!started) throw new ProfilerNotStartedError('cpu profiling');
    this.started = undefined;
    const { capture, since, end } = started;
    end(); // and `run` notes it again, until it is encoded
    return this.captures.run({ profile: 'profile', since }, () => this.end(capture));
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
