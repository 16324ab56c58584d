import { Get, Inject, Req } from '@nestjs/common';
import { Captures } from '../../profiling/capture.js';
import type { CapturedProfile, DevToolsFormat } from '../../profiling/captured-profile.js';
import { CPU_RATE, CpuProfiler, SAMPLER_NAMES, type SamplerName } from '../../profiling/cpu/cpu-profiler.js';
import { FlightRecorder } from '../../profiling/cpu/flight-recorder.js';
import { PPROF_OPTIONS, type ResolvedPprofOptions } from '../../pprof.options.js';
import { PprofEndpoint } from '../endpoint.decorator.js';
import { badValue, incompatible } from '../go-errors.js';
import { atoi, checkDuration, fileOf, formatOf, formValue, parseInt64 } from '../go-query.js';
import { attachment, type PprofReply } from '../reply.js';
import { pprofRequest } from '../request.js';

/** The format of CPU samples for DevTools. */
export const CPU_FORMAT: DevToolsFormat = 'cpuprofile';

/** Seconds of a CPU profile if the request names none. */
const DEFAULT_SECONDS = 30;

@PprofEndpoint({
  name: 'profile',
  description:
    'CPU time by stack. seconds=N sets the duration (default 30), hz=N the samples per second. past=N returns the last N seconds, if a flight recorder is on.',
})
export class ProfileEndpoint {
  constructor(
    private readonly cpu: CpuProfiler,
    private readonly recorder: FlightRecorder,
    private readonly captures: Captures,
    @Inject(PPROF_OPTIONS) private readonly options: ResolvedPprofOptions,
  ) {}

  @Get()
  async serve(@Req() request: object): Promise<PprofReply> {
    const { method, query, peer, signal } = pprofRequest(request);
    const take = isAsked(query, 'past') ? this.past(query) : this.next(query, signal);
    const format = formatOf(query, CPU_FORMAT);
    const filename = fileOf('profile', format);
    if (method === 'HEAD') return attachment(filename);
    const body = await this.captures.encoded({ profile: 'profile', peer, signal }, take, (captured) =>
      format ? captured.encodeAs(format) : captured.encode(),
    );
    return attachment(filename, body);
  }

  /** A capture that begins now. */
  private next(query: string, signal: AbortSignal): Take {
    const asked = parseInt64(formValue(query, 'seconds')) ?? 0;
    const seconds = asked > 0 ? asked : Math.min(DEFAULT_SECONDS, this.options.maxSeconds);
    checkDuration(seconds, this.options);
    const hz = hzOf(query) ?? this.options.cpuProfileRate;
    // The inspector knows when each sample was.
    const sampler = samplerOf(query) ?? (formValue(query, 'format') === CPU_FORMAT ? 'inspector' : undefined);
    const gc = atoi(formValue(query, 'gc')) > 0;
    return () => this.cpu.take({ seconds, hz, sampler, gc, signal });
  }

  /** What the flight recorder has. */
  private past(query: string): Take {
    for (const name of ['seconds', 'gc', 'sampler']) {
      if (isAsked(query, name)) throw incompatible(name, 'past');
    }
    const seconds = parseInt64(formValue(query, 'past')) ?? 0;
    if (seconds < 1) throw badValue('past', 'a positive integer');
    const hz = hzOf(query);
    return () => this.recorder.take({ seconds }, hz);
  }
}

type Take = () => Promise<CapturedProfile>;

function isAsked(query: string, name: string): boolean {
  return formValue(query, name) !== '';
}

function hzOf(query: string): number | undefined {
  if (!isAsked(query, 'hz')) return undefined;
  const hz = parseInt64(formValue(query, 'hz')) ?? 0;
  if (hz < CPU_RATE.min || hz > CPU_RATE.max) {
    throw badValue('hz', `an integer from ${CPU_RATE.min} to ${CPU_RATE.max}`);
  }
  return hz;
}

function samplerOf(query: string): SamplerName | undefined {
  const asked = formValue(query, 'sampler');
  if (asked === '') return undefined;
  const sampler = SAMPLER_NAMES.find((name) => name === asked);
  if (!sampler) throw badValue('sampler', SAMPLER_NAMES.join(' or '));
  return sampler;
}
