import { Injectable } from '@nestjs/common';
import type { CapturedProfile } from './captured-profile.js';
import { type CpuProfileOptions, CpuProfiler } from './cpu-profiler.js';
import { type HeapProfileOptions, HeapProfiler } from './heap-profiler.js';
import { ProfileRegistry } from './profile-registry.js';
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
  constructor(
    private readonly cpu: CpuProfiler,
    private readonly heap: HeapProfiler,
    private readonly registry: ProfileRegistry,
  ) {}

  /**
   * Samples the CPU for a time.
   *
   * @throws ProfilerBusyError while another CPU capture runs, in code or over HTTP
   * @throws ProfilerArgumentError if a number is out of bounds
   */
  cpuProfile(options?: CpuProfileOptions): Promise<CapturedProfile> {
    return this.cpu.profile(options);
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
  heapProfile(options?: HeapProfileOptions): Promise<CapturedProfile> {
    return this.heap.profile(options);
  }

  /** The named profiles, in byte order of their names. */
  profiles(): NamedProfile[] {
    return this.registry.profiles();
  }

  /** The named profile `name`, if there is one. */
  lookup(name: string): NamedProfile | undefined {
    return this.registry.lookup(name);
  }
}
