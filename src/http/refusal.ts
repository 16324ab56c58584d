import { GO_ERRORS, goException, notImplemented } from './go-errors.js';
import { goError, type PprofReply } from './reply.js';
import type { RoutedRequest } from './request.js';

/**
 * The reply to a request at our path that no endpoint accepts.
 *
 * @throws HttpException with Go's text
 */
export function refuse({ routes, target, name, method, query }: RoutedRequest): PprofReply {
  if (target.kind === 'bad escape') throw goException('badEscape');
  const endpoint = target.kind === 'name' ? routes.endpoint(name) : undefined;
  if (endpoint || !['GET', 'HEAD'].includes(method)) return methodNotAllowed(endpoint?.methods);
  if (target.kind === 'name' && routes.isPlanned(name)) throw notImplemented(name);
  if (target.kind === 'name') throw goException('unknownProfile');
  // Relative, so that it holds under any prefix.
  const location = `${routes.path.split('/').pop()}/${query && `?${query}`}`;
  return goError(307, 'Temporary Redirect', { location });
}

/** As in Go, unknown names accept no other methods either. */
function methodNotAllowed(methods: readonly string[] = ['GET']): PprofReply {
  const allow = methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method]));
  const [status, message] = GO_ERRORS.methodNotAllowed;
  return goError(status, message, { allow: allow.join(', ') });
}
