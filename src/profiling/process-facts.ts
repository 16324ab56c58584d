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

/** Of an event loop's utilization, in ms: that of less says nothing. */
const SHORTEST_SPAN = 1000;

const START = { idle: 0, active: 0 };

/** What the index says of the process: what can be read without a capture. */
@Injectable()
export class ProcessFacts {
  private service: Promise<ApplicationPackage | undefined> | undefined;
  private last: LoopTimes = START;
  private previous: LoopTimes = START;

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

  /** Since the last call, or the one before if that was a moment ago; the first time since the start of the process. */
  private utilization(): { readonly utilization: number; readonly seconds: number } {
    const now = performance.eventLoopUtilization();
    const isRecent = msBetween(this.last, now) < SHORTEST_SPAN;
    const since = isRecent ? this.previous : this.last;
    if (!isRecent) [this.previous, this.last] = [this.last, now];
    const ms = msBetween(since, now);
    return { utilization: ms > 0 ? (now.active - since.active) / ms : 0, seconds: ms / 1000 };
  }
}

type LoopTimes = Pick<EventLoopUtilization, 'idle' | 'active'>;

function msBetween(since: LoopTimes, now: LoopTimes): number {
  return now.active + now.idle - since.active - since.idle;
}

/** How late a timer is now, in ms: a monitor would know more, and cost something all the time. */
async function timerDelay(): Promise<number> {
  const start = performance.now();
  await setTimeout(SHORTEST_TIMER);
  return Math.max(0, performance.now() - start - SHORTEST_TIMER);
}
