import { All, Req } from '@nestjs/common';
import { goError, type PprofAnswer } from '../answer.js';
import { PLANNED } from '../descriptions.js';
import { AnsweredByPprof } from '../endpoint.decorator.js';
import { goException, notImplemented } from '../errors.js';
import { exchangeOf } from '../exchange.js';
import { FALLBACK } from '../mount.js';

/** Every request at our path that no endpoint takes: the front door sends it here, and the guards come first. */
@AnsweredByPprof(FALLBACK)
export class FallbackController {
  @All()
  refuse(@Req() request: object): PprofAnswer {
    const {
      mount,
      target,
      request: { query },
    } = exchangeOf(request)!;
    if (target.kind === 'bad escape') throw goException('badEscape');
    if (target.kind === 'missing slash') {
      const location = `${mount.path.split('/').pop()}/${query && `?${query}`}`; // relative: it holds under any prefix
      return goError(307, 'Temporary Redirect', { location });
    }
    const endpoint = mount.endpoint(target.name);
    if (endpoint) {
      const allow = endpoint.methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method]));
      return goError(405, 'Method Not Allowed', { allow: allow.join(', ') });
    }
    throw PLANNED.has(target.name) ? notImplemented(target.name) : goException('unknownProfile');
  }
}
