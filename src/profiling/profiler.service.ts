import { Injectable } from '@nestjs/common';
import type { Observable } from 'rxjs';
import { AsyncTracker } from './async-tracker.js';
import { type CaptureEvent, CaptureLog } from './capture-log.js';
import type { CapturedProfile } from './captured-profile.js';
import { type CpuProfileOptions, CpuProfiler } from './cpu-profiler.js';
import { type HeapProfileOptions, HeapProfiler } from './heap-profiler.js';
import { ProfilerArgumentError } from './errors.js';
import { ProfileRegistry } from './profile-registry.js';
import { BlockProfile } from './profiles/block.profile.js';
import type { CustomProfile } from './profiles/custom.profile.js';
import { MutexProfile } from './profiles/mutex.profile.js';
import type { NamedProfile } from './profiles/named-profile.js';

/**
 * Captures in code: the same profiles that the endpoints serve.
 *
 * @example
 * const captured = await this.profiler.cpuProfile({ seconds: 5 });
 * await captured.toFile('cpu.pb.gz'); // go tool pprof cpu.pb.gz
 *
 * @publicApi
 */
@Injectable()
export class ProfilerService {
  private startedAt = 0;

  constructor(
    private readonly cpu: CpuProfiler,
    private readonly heap: HeapProfiler,
    private readonly registry: ProfileRegistry,
    private readonly log: CaptureLog,
    private readonly tracker: AsyncTracker,
    private readonly block: BlockProfile,
    private readonly mutex: MutexProfile,
  ) {}

  /**
   * Tells of every capture when it has ended, over HTTP and in code.
   *
   * @example
   * profiler.captures.subscribe(({ profile, peer, seconds }) => audit.write(`${peer} took ${profile}, ${seconds} s`));
   */
  get captures(): Observable<CaptureEvent> {
    return this.log.events;
  }

  /**
   * Samples the CPU for a time.
   *
   * @throws ProfilerBusyError while another CPU capture runs, in code or over HTTP
   * @throws ProfilerArgumentError if a number is out of bounds
   */
  cpuProfile(options?: CpuProfileOptions): Promise<CapturedProfile> {
    return this.told('profile', () => this.cpu.profile(options));
  }

  /**
   * Starts sampling the CPU until {@link stopCpuProfile}.
   *
   * @throws ProfilerBusyError while another CPU capture runs, in code or over HTTP
   * @throws ProfilerArgumentError if `hz` is out of bounds
   */
  startCpuProfile({ hz }: Pick<CpuProfileOptions, 'hz'> = {}): void {
    const begin = performance.now();
    this.cpu.start(hz);
    this.startedAt = begin;
  }

  /**
   * Ends what {@link startCpuProfile} began.
   *
   * @throws ProfilerNotStartedError if nothing was started
   */
  stopCpuProfile(): Promise<CapturedProfile> {
    return this.told('profile', () => this.cpu.stop(), this.startedAt);
  }

  /** What is alive on the heap now, by the stack that allocated it. */
  heapProfile(options?: HeapProfileOptions): Promise<CapturedProfile> {
    return this.told('heap', () => this.heap.profile(options));
  }

  /** The named profiles, in byte order of their names. */
  profiles(): NamedProfile[] {
    return this.registry.profiles();
  }

  /**
   * A new profile of the application's own, as Go's `pprof.NewProfile`; `PprofModule.forFeature` makes one that is injected.
   *
   * @throws ProfilerArgumentError if the name is taken, or none
   */
  newProfile(name: string, description = `Values that the application has added to ${name}.`): CustomProfile {
    return this.registry.create(name, description);
  }

  /**
   * Samples per second of CPU profiles that name none, as Go's `runtime.SetCPUProfileRate`.
   *
   * @returns the old rate
   * @throws ProfilerArgumentError if it is no whole number from 1 to 1000
   */
  setCpuProfileRate(hz: number): number {
    return this.cpu.setRate(hz);
  }

  /**
   * `block` tells one wait in so many from now on: 1 for all, 0 for none. Go's `runtime.SetBlockProfileRate`.
   *
   * @returns the old rate
   * @throws ProfilerArgumentError if it is no whole number
   */
  setBlockProfileRate(every: number): number {
    return this.block.rate.set(checkedRate(every));
  }

  /**
   * `goroutine` and `goroutineleak` track one `await` in so many from now on: 1 for all, 0 for none.
   *
   * @returns the old rate
   * @throws ProfilerArgumentError if it is no whole number
   */
  setGoroutineProfileRate(every: number): number {
    return this.tracker.awaitRate.set(checkedRate(every));
  }

  /**
   * `mutex` tells what holds the event loop for longer than this from now on; 0: nothing. In the place of Go's
   * `runtime.SetMutexProfileFraction`.
   *
   * @param ms milliseconds
   * @returns the old threshold
   * @throws ProfilerArgumentError if it is no number from 0 on
   */
  setMutexProfileThreshold(ms: number): number {
    if (!(Number.isFinite(ms) && ms >= 0)) {
      throw new ProfilerArgumentError(`the threshold is ${ms}: it takes milliseconds, or 0 for off`);
    }
    return this.mutex.threshold.set(ms);
  }

  /** The named profile `name`, if there is one. */
  lookup(name: string): NamedProfile | undefined {
    return this.registry.lookup(name);
  }

  private async told(
    profile: string,
    capture: () => Promise<CapturedProfile>,
    since = performance.now(),
  ): Promise<CapturedProfile> {
    const captured = await capture();
    this.log.report(
      { profile, peer: 'code', bytes: undefined, longestHoldMs: captured.longestHoldMs },
      since,
    );
    return captured;
  }
}

function checkedRate(every: number): number {
  if (!(Number.isSafeInteger(every) && every >= 0)) {
    throw new ProfilerArgumentError(`the rate is ${every}: it takes a whole number, or 0 for off`);
  }
  return every;
}
