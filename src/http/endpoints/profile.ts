import { Get, Inject, Req } from '@nestjs/common';
import { type CapturedProfile, Captures, type DevToolsFormat } from '../../profiling/capture.js';
import { CPU_RATE, CpuProfiler, SAMPLER_NAMES, type SamplerName } from '../../profiling/cpu/cpu-profiler.js';
import { PPROF_OPTIONS, type ResolvedPprofOptions } from '../../pprof.options.js';
import { PprofEndpoint } from '../endpoint.decorator.js';
import { badValue } from '../go-errors.js';
import { atoi, checkDuration, formatOf, formValue, parseInt64 } from '../go-query.js';
import { attachment, type PprofReply } from '../reply.js';
import { pprofRequest } from '../request.js';

/** The format of CPU samples for DevTools. */
export const CPU_FORMAT: DevToolsFormat = 'cpuprofile';

/** Seconds of a CPU profile if the request names none. */
const DEFAULT_SECONDS = 30;

@PprofEndpoint({
  name: 'profile',
  description:
    'CPU samples over a time: 30 seconds, or as many as seconds= says. hz= sets the samples per second.',
})
export class ProfileEndpoint {
  constructor(
    private readonly cpu: CpuProfiler,
    private readonly captures: Captures,
    @Inject(PPROF_OPTIONS) private readonly options: ResolvedPprofOptions,
  ) {}

  @Get()
  async serve(@Req() request: object): Promise<PprofReply> {
    const { method, query, peer, signal } = pprofRequest(request);
    const asked = parseInt64(formValue(query, 'seconds')) ?? 0;
    const seconds = asked > 0 ? asked : Math.min(DEFAULT_SECONDS, this.options.maxSeconds);
    checkDuration(seconds, this.options);
    const hz = this.hz(formValue(query, 'hz'));
    const format = formatOf(query, CPU_FORMAT);
    const sampler = samplerOf(query) ?? (format && 'inspector'); // which knows when each sample was
    const gc = atoi(formValue(query, 'gc')) > 0;
    const filename = format ? `profile.${format}` : 'profile';
    if (method === 'HEAD') return attachment(filename);
    const body = await this.captures.encoded(
      { profile: 'profile', peer, signal },
      () => this.cpu.take({ seconds, hz, sampler, gc, signal }),
      (captured: CapturedProfile) => (format ? captured.encodeForDevTools() : captured.encode()),
    );
    return attachment(filename, body);
  }

  private hz(asked: string): number {
    if (asked === '') return this.options.cpuProfileRate;
    const hz = parseInt64(asked) ?? 0;
    if (hz < CPU_RATE.min || hz > CPU_RATE.max) {
      throw badValue('hz', `an integer from ${CPU_RATE.min} to ${CPU_RATE.max}`);
    }
    return hz;
  }
}

function samplerOf(query: string): SamplerName | undefined {
  const asked = formValue(query, 'sampler');
  if (asked === '') return undefined;
  const sampler = SAMPLER_NAMES.find((name) => name === asked);
  if (!sampler) throw badValue('sampler', SAMPLER_NAMES.join(' or '));
  return sampler;
}
