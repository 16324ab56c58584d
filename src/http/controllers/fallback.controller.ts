import { All, Req } from '@nestjs/common';
import { goError, type PprofAnswer } from '../answer.js';
import { AnsweredByPprof } from '../endpoint.decorator.js';
import { GO_ERRORS, goException, notImplemented } from '../errors.js';
import { exchangeOf } from '../exchange.js';
import { FALLBACK } from '../mount.js';

/** Every request at our path that no endpoint takes: the front door sends it here, and the guards come first. */
@AnsweredByPprof(FALLBACK)
export class FallbackController {
  @All()
  refuse(@Req() incoming: object): PprofAnswer {
    const { mount, target, request } = exchangeOf(incoming)!;
    if (target.kind === 'bad escape') throw goException('badEscape');
    const name = target.kind === 'name' ? target.name : undefined;
    if (name !== undefined && mount.isPlanned(name)) throw notImplemented(name);
    const endpoint = name === undefined ? undefined : mount.endpoint(name);
    if (endpoint || !['GET', 'HEAD'].includes(request.method)) return methodNotAllowed(endpoint?.methods);
    if (name !== undefined) throw goException('unknownProfile');
    // Relative, so that it holds under any prefix.
    const location = `${mount.path.split('/').pop()}/${request.query && `?${request.query}`}`;
    return goError(307, 'Temporary Redirect', { location });
  }
}

/** As in Go, names that are unknown take no other methods either. */
function methodNotAllowed(methods: readonly string[] = ['GET']): PprofAnswer {
  const allow = methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method]));
  const [status, message] = GO_ERRORS.methodNotAllowed;
  return goError(status, message, { allow: allow.join(', ') });
}
