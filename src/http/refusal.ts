import { GO_ERRORS, goException } from './go-errors.js';
import { goError, type PprofReply } from './reply.js';
import type { RoutedRequest } from './request.js';

/**
 * The reply to a request under the module's path that no endpoint accepts.
 *
 * @throws HttpException with Go's text
 */
export function refuse({ routes, kind, name, method, query }: RoutedRequest): PprofReply {
  if (kind === 'bad escape') throw goException('badEscape');
  const methods: readonly string[] = (kind === 'name' && routes.endpoint(name)?.methods) || ['GET'];
  if (!methods.includes(method === 'HEAD' ? 'GET' : method)) return methodNotAllowed(methods);
  if (kind === 'name') throw goException('unknownProfile');
  // Relative, so that it works behind any prefix.
  const location = `${routes.path.split('/').pop()}/${query && `?${query}`}`;
  return goError(307, 'Temporary Redirect', { location });
}

/** As in Go, unknown names accept no other methods either. */
function methodNotAllowed(methods: readonly string[]): PprofReply {
  const allow = methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method]));
  const [status, message] = GO_ERRORS.methodNotAllowed;
  return goError(status, message, { allow: allow.join(', ') });
}
