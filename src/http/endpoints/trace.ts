import { Get, Inject, Req } from '@nestjs/common';
import { TRACE_FORMATS, type TraceFormat, Tracer } from '../../profiling/trace/tracer.js';
import { PPROF_OPTIONS, type ResolvedPprofOptions } from '../../pprof.options.js';
import { PprofEndpoint } from '../endpoint.decorator.js';
import { badValue } from '../go-errors.js';
import { checkDuration, formValue, parseFloat64 } from '../go-query.js';
import { attachment, type PprofReply, type StreamedReply } from '../reply.js';
import { pprofRequest } from '../request.js';

/** Length of a trace without `seconds`. */
const DEFAULT_SECONDS = 1;

@PprofEndpoint({
  name: 'trace',
  description:
    'An execution trace of the next second, or of seconds=N: for go tool trace, or with format=json for Perfetto and Chrome.',
})
export class TraceEndpoint {
  constructor(
    private readonly tracer: Tracer,
    @Inject(PPROF_OPTIONS) private readonly options: ResolvedPprofOptions,
  ) {}

  @Get()
  serve(@Req() request: object): PprofReply | StreamedReply {
    const { method, query, peer, signal } = pprofRequest(request);
    const asked = parseFloat64(formValue(query, 'seconds')) ?? 0;
    const seconds = asked > 0 ? asked : DEFAULT_SECONDS;
    checkDuration(seconds, this.options);
    const format = traceFormat(query);
    const reply = attachment(format === 'json' ? 'trace.json' : 'trace');
    if (method === 'HEAD') return reply;
    return { ...reply, body: this.tracer.take({ seconds, format, signal, peer }) };
  }
}

function traceFormat(query: string): TraceFormat {
  const asked = formValue(query, 'format') || 'go';
  const format = TRACE_FORMATS.find((one) => one === asked);
  if (!format) throw badValue('format', TRACE_FORMATS.join(' or '));
  return format;
}
