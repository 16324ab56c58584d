import { All, Req } from '@nestjs/common';
import { goError, type PprofAnswer } from '../answer.js';
import { AnsweredByPprof } from '../endpoint.decorator.js';
import { goException } from '../errors.js';
import { exchangeOf } from '../exchange.js';
import { FALLBACK } from '../mount.js';
import { PprofHandler } from '../pprof-handler.js';

/**
 * Every request at our path that no endpoint takes: the front door sends it here, and the guards come first. It is for a
 * profile of the application's own, whose name may be anything, or refused.
 */
@AnsweredByPprof(FALLBACK)
export class FallbackController {
  constructor(private readonly pprof: PprofHandler) {}

  @All()
  answer(@Req() incoming: object): PprofAnswer | Promise<PprofAnswer> {
    const { mount, target, request } = exchangeOf(incoming)!;
    if (target.kind === 'bad escape') throw goException('badEscape');
    const name = target.kind === 'name' ? target.name : undefined;
    const endpoint = name === undefined ? undefined : mount.endpoint(name);
    if (endpoint || !['GET', 'HEAD'].includes(request.method)) return methodNotAllowed(endpoint?.methods);
    if (name !== undefined) return this.pprof.serve(name, request);
    // Relative, so that it holds under any prefix.
    const location = `${mount.path.split('/').pop()}/${request.query && `?${request.query}`}`;
    return goError(307, 'Temporary Redirect', { location });
  }
}

/** As in Go, names that are unknown take no other methods either. */
function methodNotAllowed(methods: readonly string[] = ['GET']): PprofAnswer {
  const allow = methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method]));
  return goError(405, 'Method Not Allowed', { allow: allow.join(', ') });
}
