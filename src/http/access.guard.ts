import type { IncomingMessage } from 'node:http';
import { type CanActivate, type ExecutionContext, ForbiddenException, Injectable } from '@nestjs/common';
import { isObservable, lastValueFrom } from 'rxjs';
import { isLoopbackAddress } from '../pprof.options.js';
import { goException } from './go-errors.js';
import { rawRequest } from './reply.js';
import { hostsOf, routedRequest } from './request.js';

/** Calls the guards of the module's options, one after the other; without guards, it applies the default access rules. */
@Injectable()
export class AccessGuard implements CanActivate {
  /** @throws HttpException 404 for a path that only the adapter's router accepts, such as `/DEBUG/pprof/` */
  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<object>();
    const routes = routedRequest(request)?.routes;
    if (!routes) throw goException('unknownProfile');
    if (routes.guards.length === 0) {
      const refusal = refusalByDefault(rawRequest(request), routes.production);
      if (refusal) throw new ForbiddenException(refusal);
    }
    for (const guard of routes.guards) {
      const verdict = (await guard(context)).canActivate(context);
      if (!(isObservable(verdict) ? await lastValueFrom(verdict) : await verdict)) return false;
    }
    return true;
  }
}

/** Headers that proxies add. Without configuration many add none, hence the rule for production. */
const PROXY_HEADER = /^(forwarded|x-forwarded-.*|x-real-ip|via)$/;
const SAME_SITE = new Set(['none', 'same-origin']);

/** Refusals where the module has no guards. */
export const IN_PRODUCTION =
  'pprof is closed: NODE_ENV is production and PprofModule has no guards. Set the option "guards", or "listen" to serve it on a separate port.';
export const NOT_LOCAL =
  'pprof is closed to all but programs on this machine. To open it, set the option "guards".';

/**
 * The default access rules: in production nobody may use the endpoints, otherwise a program on this machine that sends a loopback
 * `Host`, no header of a proxy, and no request for a page of another site.
 *
 * The address is that of the socket, never one from a header.
 *
 * @returns why the request is refused, or undefined
 */
export function refusalByDefault(request: IncomingMessage, production: boolean): string | undefined {
  if (production) return IN_PRODUCTION;
  const { headers, socket } = request;
  const hosts = hostsOf(request);
  const site = headers['sec-fetch-site'];
  const local =
    isLoopbackAddress(socket.remoteAddress ?? '') &&
    hosts.length > 0 &&
    hosts.every(isLoopbackHost) &&
    !Object.keys(headers).some((name) => PROXY_HEADER.test(name)) &&
    (site === undefined || SAME_SITE.has(String(site)));
  return local ? undefined : NOT_LOCAL;
}

/** Against DNS rebinding, where the host name of a foreign page resolves to this machine. */
function isLoopbackHost(host: string): boolean {
  return /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i.test(host);
}
