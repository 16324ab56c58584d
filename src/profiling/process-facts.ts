import { hostname } from 'node:os';
import { type EventLoopUtilization, performance } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { PPROF_OPTIONS, PPROF_SAMPLING, type ResolvedPprofOptions } from '../pprof.options.js';
import type { Sampling } from '../sampling/sampler.js';
import { type ApplicationPackage, applicationPackage } from './application-package.js';
import { HeapReader } from './heap/heap-reader.js';

/** ms; the shortest timer that Node has. */
const SHORTEST_TIMER = 1;

/** What the index says of the process: what can be read without a capture. */
@Injectable()
export class ProcessFacts {
  private service: Promise<ApplicationPackage | undefined> | undefined;
  private lastUtilization: EventLoopUtilization | undefined;

  constructor(
    @Inject(PPROF_SAMPLING) private readonly sampling: Sampling,
    @Inject(PPROF_OPTIONS) private readonly options: ResolvedPprofOptions,
    private readonly heap: HeapReader,
  ) {}

  /** The event loop's utilization is that since the last call. */
  async read() {
    const { cpuProfileRate, profileComments } = this.options;
    this.service ??= applicationPackage().catch(() => undefined); // a working directory may be gone
    return {
      service: await this.service,
      comments: profileComments,
      host: hostname(),
      pid: process.pid,
      node: process.version,
      uptimeSeconds: process.uptime(),
      cpuSampler: `${this.sampling.cpu.name}, ${cpuProfileRate} Hz`,
      heapSampler: this.heap.samplerInUse,
      memory: process.memoryUsage(),
      loop: { ...this.utilization(), delayMs: await timerDelay() },
    };
  }

  /** The first time since the start of the process. */
  private utilization(): { readonly utilization: number; readonly seconds: number } {
    const now = performance.eventLoopUtilization();
    const { lastUtilization: last = { idle: 0, active: 0 } } = this;
    this.lastUtilization = now;
    const active = now.active - last.active;
    const ms = active + now.idle - last.idle;
    return { utilization: ms > 0 ? active / ms : 0, seconds: ms / 1000 };
  }
}

/** How late a timer is now, in ms: a monitor would know more, and cost something all the time. */
async function timerDelay(): Promise<number> {
  const start = performance.now();
  await setTimeout(SHORTEST_TIMER);
  return Math.max(0, performance.now() - start - SHORTEST_TIMER);
}
