import { Injectable } from '@nestjs/common';
import type { Observable } from 'rxjs';
import { BlockProfile } from './async/block.profile.js';
import { PendingAwaits } from './async/pending-awaits.js';
import { type RequestInFlight, RequestsInFlight } from './async/requests-in-flight.js';
import { type CaptureEvent, Captures } from './capture.js';
import type { CapturedProfile } from './captured-profile.js';
import { type CpuProfileOptions, CpuProfiler } from './cpu/cpu-profiler.js';
import { FlightRecorder, type PastCpuProfileOptions } from './cpu/flight-recorder.js';
import type { CustomProfile } from './custom/custom-profile.js';
import { HeapProfiler } from './heap/heap-profiler.js';
import type { CollectOptions, NamedProfile } from './named-profile.js';
import { ProfileRegistry } from './profile-registry.js';
import { MutexProfile } from './threads/mutex.profile.js';

/**
 * Captures in code the profiles that the endpoints serve.
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
   * Emits an event when a capture has ended, over HTTP or in code, also if it was canceled. A capture that fails emits none,
   * except a trace that was partly sent.
   *
   * @example
   * profiler.captures.subscribe(({ profile, peer, seconds }) => audit.write(`${peer} took ${profile}, ${seconds} s`));
   */
  get captures(): Observable<CaptureEvent> {
    return this.log.events;
  }

  /**
   * Samples the CPU for `seconds`, by default 30.
   *
   * @throws ProfilerBusyError while another CPU capture runs, in code or over HTTP
   * @throws ProfilerArgumentError if an option is invalid
   */
  cpuProfile(options?: CpuProfileOptions): Promise<CapturedProfile> {
    return this.cpu.profile(options);
  }

  /**
   * Returns the CPU samples of the last seconds at once, for "it was slow a moment ago". Requires the options `warm: 'always'` and
   * `flightRecorder`.
   *
   * @throws ProfilerArgumentError if `seconds` is invalid, or the flight recorder is off
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
   * @throws ProfilerArgumentError if `hz` is not an integer from 1 to 1000
   */
  startCpuProfile({ hz }: Pick<CpuProfileOptions, 'hz'> = {}): void {
    this.cpu.start(hz);
  }

  /**
   * Ends the capture that {@link startCpuProfile} started.
   *
   * @throws ProfilerNotStartedError if none was started
   */
  stopCpuProfile(): Promise<CapturedProfile> {
    return this.cpu.stop();
  }

  /** Reads the live objects on the heap, by the stack that allocated them. */
  heapProfile(options?: CollectOptions): Promise<CapturedProfile> {
    return this.heap.collect(options);
  }

  /**
   * Switches the profile `block` on or off: Go's `runtime.SetBlockProfileRate`.
   *
   * @param rate one wait in `rate` is measured and counts for as many; 0 switches the profile off
   * @returns the previous rate
   * @throws ProfilerArgumentError if `rate` is not an integer from 0
   */
  setBlockProfileRate(rate: number): number {
    return this.block.rate.set(rate);
  }

  /**
   * Switches the tracking of awaits on or off, for `goroutine` and `goroutineleak`.
   *
   * @param rate one `await` in `rate` is tracked and counts for as many; 0 switches the tracking off
   * @returns the previous rate
   * @throws ProfilerArgumentError if `rate` is not an integer from 0
   */
  setGoroutineProfileRate(rate: number): number {
    return this.awaits.rate.set(rate);
  }

  /**
   * Returns the requests that the application is handling, the oldest first, including those at this library's endpoints. Empty
   * with `enabled: false`, and in an application without HTTP.
   *
   * @example
   * const stuck = this.profiler.requestsInFlight().filter(({ ageMs, own }) => ageMs > 60_000 && !own);
   */
  requestsInFlight(): RequestInFlight[] {
    return Array.from(this.requests, (request) => request.snapshot());
  }

  /**
   * Switches the profile `mutex` on or off: Go's `runtime.SetMutexProfileFraction`. While it is on, V8's CPU profiler runs all the
   * time.
   *
   * @param ms the profile shows holds of the event loop that last longer, 10 to 60000; 0 switches it off
   * @returns the previous threshold, in ms
   * @throws ProfilerArgumentError if `ms` is out of bounds
   */
  setMutexProfileThreshold(ms: number): number {
    return this.mutex.rate.set(ms);
  }

  /** Returns the named profiles, in byte order of their names. A handler may return them as JSON. */
  profiles(): NamedProfile[] {
    return this.registry.profiles();
  }

  /** Returns the named profile `name`; undefined if no profile has that name. */
  lookup(name: string): NamedProfile | undefined {
    return this.registry.lookup(name);
  }

  /**
   * Creates a custom profile, which is listed and served from now on: Go's `pprof.NewProfile`.
   *
   * @param name letters, digits and `._~-`, optionally with slashes between them, such as `db_connections` or `example.com/jobs`
   * @param description a sentence for the index page
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
