import { Injectable } from '@nestjs/common';
import type { Observable } from 'rxjs';
import { BlockProfile } from './async/block.profile.js';
import { PendingAwaits } from './async/pending-awaits.js';
import { type RequestInFlight, RequestsInFlight } from './async/requests-in-flight.js';
import { type CapturedProfile, type CaptureEvent, Captures } from './capture.js';
import { type CpuProfileOptions, CpuProfiler } from './cpu/cpu-profiler.js';
import { FlightRecorder, type PastCpuProfileOptions } from './cpu/flight-recorder.js';
import type { CustomProfile } from './custom/custom-profile.js';
import { HeapProfiler } from './heap/heap-profiler.js';
import type { CollectOptions, NamedProfile } from './named-profile.js';
import { ProfileRegistry } from './profile-registry.js';
import { MutexProfile } from './threads/mutex.profile.js';

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
  /** @internal */
  constructor(
    private readonly cpu: CpuProfiler,
    private readonly recorder: FlightRecorder,
    private readonly heap: HeapProfiler,
    private readonly block: BlockProfile,
    private readonly awaits: PendingAwaits,
    private readonly mutex: MutexProfile,
    private readonly registry: ProfileRegistry,
    private readonly log: Captures,
    private readonly requests: RequestsInFlight,
  ) {}

  /**
   * Emits an event for every capture when it has ended, over HTTP and in code.
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
   * @throws ProfilerArgumentError if an option is invalid
   */
  cpuProfile(options?: CpuProfileOptions): Promise<CapturedProfile> {
    return this.cpu.profile(options);
  }

  /**
   * What was sampled in the last seconds, at once: for "it was slow a moment ago". It takes the options
   * `warm: 'always'` and `flightRecorder`.
   *
   * @throws ProfilerArgumentError if `seconds` is invalid, or nothing of the past is kept
   *
   * @example
   * const captured = await this.profiler.pastCpuProfile({ seconds: 30 });
   */
  pastCpuProfile(options?: PastCpuProfileOptions): Promise<CapturedProfile> {
    return this.recorder.past(options);
  }

  /**
   * Starts sampling the CPU until {@link stopCpuProfile}.
   *
   * @throws ProfilerBusyError while another CPU capture runs, in code or over HTTP
   * @throws ProfilerArgumentError if `hz` is out of bounds
   */
  startCpuProfile({ hz }: Pick<CpuProfileOptions, 'hz'> = {}): void {
    this.cpu.start(hz);
  }

  /**
   * Ends what {@link startCpuProfile} began.
   *
   * @throws ProfilerNotStartedError if nothing was started
   */
  stopCpuProfile(): Promise<CapturedProfile> {
    return this.cpu.stop();
  }

  /** What is alive on the heap now, by the stack that allocated it. */
  heapProfile(options?: CollectOptions): Promise<CapturedProfile> {
    return this.heap.collect(options);
  }

  /**
   * Switches `block` on: one wait in so many is measured, and counts for as many. Go's `runtime.SetBlockProfileRate`.
   *
   * @param rate 0 switches it off
   * @returns the rate before
   * @throws ProfilerArgumentError if it is not a whole number from 0
   */
  setBlockProfileRate(rate: number): number {
    return this.block.rate.set(rate);
  }

  /**
   * Switches the tracking of awaits on, for `goroutine` and `goroutineleak`: one in so many is tracked, and counts for as many.
   *
   * @param rate 0 switches it off
   * @returns the rate before
   * @throws ProfilerArgumentError if it is not a whole number from 0
   */
  setGoroutineProfileRate(rate: number): number {
    return this.awaits.rate.set(rate);
  }

  /**
   * The requests that the application is handling now, the oldest first, also those at this library's endpoints. Empty with
   * `enabled: false`, and in an application without HTTP.
   *
   * @example
   * const stuck = this.profiler.requestsInFlight().filter(({ ageMs, own }) => ageMs > 60_000 && !own);
   */
  requestsInFlight(): RequestInFlight[] {
    return Array.from(this.requests, (request) => request.snapshot());
  }

  /**
   * Switches the profile `mutex` on, or off with 0: Go's `runtime.SetMutexProfileFraction`. V8's CPU profiler runs all the
   * time while it is on.
   *
   * @param ms holds of the event loop that are longer are in the profile, 10 to 60000
   * @returns the threshold before, in ms
   * @throws ProfilerArgumentError if `ms` is out of bounds
   */
  setMutexProfileThreshold(ms: number): number {
    return this.mutex.rate.set(ms);
  }

  /** The named profiles, in byte order of their names. */
  profiles(): NamedProfile[] {
    return this.registry.profiles();
  }

  /** The named profile `name`, if there is one. */
  lookup(name: string): NamedProfile | undefined {
    return this.registry.lookup(name);
  }

  /**
   * Makes a profile of the application's own, listed and served from now on: Go's `pprof.NewProfile`.
   *
   * @param name letters, digits and `._~-`, between slashes if there are any, such as `db_connections` or `example.com/jobs`
   * @param description a sentence for the index
   *
   * @example
   * private readonly leases = this.profiler.newProfile('leases');
   *
   * @throws ProfilerArgumentError if the name is invalid or taken
   */
  newProfile(
    name: string,
    description = 'Values that the application has added and not removed, by the stack that added them.',
  ): CustomProfile {
    return this.registry.create(name, description);
  }
}
