import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import { PPROF_OPTIONS, PPROF_SAMPLING } from '../pprof.constants.js';
import type { ResolvedPprofOptions } from '../interfaces/pprof-options.interface.js';
import { processState } from '../sampling/process-state.js';
import type { CpuRecording, CpuSamples, Sampling } from '../sampling/sampler.js';
import { CapturedProfile } from './captured-profile.js';
import { comments, nowNanos } from './comments.js';
import { ProfilerArgumentError, ProfilerBusyError, ProfilerNotStartedError } from './errors.js';
import { runSliced } from './slices.js';
import { buildStackProfile, type WeighedStack } from './stack-profile.js';
import { wait } from './wait.js';

/** How to take a CPU profile. */
export interface CpuProfileOptions {
  /**
   * How long, in seconds; parts of a second count.
   * @default 30
   */
  readonly seconds?: number;
  /**
   * Samples per second, 1 to 1000.
   * @default the option `cpuProfileRate`
   */
  readonly hz?: number;
  /** Ends the capture early. That is no error: the profile holds what was sampled until then. */
  readonly signal?: AbortSignal;
}

/** Limits of {@link CpuProfileOptions.hz}. */
export const CPU_RATE = { min: 1, max: 1000 } as const;

/** setTimeout takes no more than 2^31 - 1 ms. */
const MAX_SECONDS = 2_147_483;

interface Recording {
  readonly hz: number;
  readonly timeNanos: bigint;
  readonly recording: CpuRecording;
}

/**
 * Takes CPU profiles of the main thread: V8's samples of what was executing. One at a time in a process.
 *
 * @publicApi
 */
@Injectable()
export class CpuProfiler implements OnModuleDestroy {
  private readonly closing = new AbortController();
  private started: Recording | undefined;

  constructor(
    @Inject(PPROF_SAMPLING) private readonly sampling: Sampling,
    @Inject(PPROF_OPTIONS) private readonly options: ResolvedPprofOptions,
  ) {}

  /**
   * Samples for a time. Shutting down ends it early too.
   *
   * @throws ProfilerBusyError while another CPU capture runs
   * @throws ProfilerArgumentError if an option is not what it takes
   */
  async profile({ seconds = 30, hz, signal }: CpuProfileOptions = {}): Promise<CapturedProfile> {
    if (!(typeof seconds === 'number' && seconds > 0 && seconds <= MAX_SECONDS)) {
      throw new ProfilerArgumentError(
        `seconds is ${seconds}: it takes a number from above 0 to ${MAX_SECONDS}`,
      );
    }
    if (signal !== undefined && typeof signal?.addEventListener !== 'function') {
      throw new ProfilerArgumentError('signal takes an AbortSignal');
    }
    const recording = this.begin(hz);
    await wait(seconds * 1000, signal, this.closing.signal);
    return this.end(recording);
  }

  /**
   * Starts sampling until {@link stop}, as Go's `pprof.StartCPUProfile` does.
   *
   * @param hz samples per second, 1 to 1000; the option `cpuProfileRate` if left out
   * @throws ProfilerBusyError while another CPU capture runs
   * @throws ProfilerArgumentError if `hz` is out of bounds
   */
  start(hz?: number): void {
    this.started = this.begin(hz);
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
    return this.end(started);
  }

  onModuleDestroy(): void {
    this.closing.abort();
    if (this.started) this.free(this.started);
    this.started = undefined;
  }

  private begin(hz = this.options.cpuProfileRate): Recording {
    if (!(Number.isInteger(hz) && hz >= CPU_RATE.min && hz <= CPU_RATE.max)) {
      throw new ProfilerArgumentError(
        `hz is ${hz}: it takes a whole number from ${CPU_RATE.min} to ${CPU_RATE.max}`,
      );
    }
    const state = processState();
    if (state.cpuBusy) throw new ProfilerBusyError();
    const running = { hz, timeNanos: nowNanos(), recording: this.startSampling(hz) };
    state.cpuBusy = true;
    return running;
  }

  private startSampling(hz: number): CpuRecording {
    try {
      return this.sampling.cpu.start(hz);
    } catch (cause) {
      throw new ProfilerBusyError({ cause }); // the one reason there is: the application uses the sampler itself
    }
  }

  private async end(running: Recording): Promise<CapturedProfile> {
    const samples = this.free(running);
    return new CapturedProfile(await runSliced(this.build(running, samples)));
  }

  private free({ recording }: Recording): CpuSamples {
    try {
      return recording.stop();
    } finally {
      processState().cpuBusy = false;
    }
  }

  private build({ hz, timeNanos }: Recording, samples: CpuSamples) {
    return buildStackProfile(
      {
        sampleTypes: [
          { type: 'samples', unit: 'count' },
          { type: 'cpu', unit: 'nanoseconds' },
        ],
        defaultSampleType: '',
        periodType: { type: 'cpu', unit: 'nanoseconds' },
        period: Math.round(1e9 / hz),
        timeNanos,
        durationNanos: samples.durationNanos,
        comments: comments(
          `CPU samples of the main thread by ${this.sampling.name} at ${hz} Hz, weighted by real time`,
        ),
      },
      samples.tree,
      busyStacks(samples),
    );
  }
}

/** Time that V8 calls idle is no CPU time. */
function* busyStacks({ tree, hits, nanos }: CpuSamples): Generator<WeighedStack> {
  for (let node = 0; node < hits.length; node++) {
    const count = hits[node]!;
    if (count === 0 || tree.frames[tree.frameOf[node]!]!.functionName === '(idle)') continue;
    yield { at: node, values: [count, nanos[node]!] };
  }
}
