import type { IncomingMessage } from 'node:http';
import { type CanActivate, type ExecutionContext, ForbiddenException, Injectable } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { isObservable, lastValueFrom } from 'rxjs';
import { isLoopbackAddress } from '../pprof.options.js';
import { goException } from './go-errors.js';
import { rawRequest, rawResponse } from './reply.js';
import { RequestListener, type RoutedRequest, routedRequest } from './request.js';

/** Asks the guards of the module's options, one after the other; with none, the rules for those who set none. */
@Injectable()
export class AccessGuard implements CanActivate {
  constructor(private readonly moduleRef: ModuleRef) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const { routes } = this.routed(context);
    if (routes.guards.length === 0) {
      const refusal = refusalByDefault(rawRequest(context.switchToHttp().getRequest()), routes.production);
      if (refusal) throw new ForbiddenException(refusal);
    }
    for (const guard of routes.guards) {
      const verdict = (await guard(context)).canActivate(context);
      if (!(isObservable(verdict) ? await lastValueFrom(verdict) : await verdict)) return false;
    }
    return true;
  }

  /** @throws HttpException 404 for a path that the adapter takes for ours and Go does not, such as `/DEBUG/pprof/` */
  private routed(context: ExecutionContext): RoutedRequest {
    const http = context.switchToHttp();
    const known = routedRequest(http.getRequest());
    if (known) return known;
    const request = rawRequest(http.getRequest());
    const response = rawResponse(http.getResponse());
    for (const listener of this.moduleRef.get(RequestListener, { strict: false, each: true })) {
      const routed = listener.note(request, response);
      if (routed) return routed;
    }
    throw goException('unknownProfile');
  }
}

/** What proxies add. A stock one adds nothing, hence the rule for production. */
const PROXY_HEADER = /^(forwarded|x-forwarded-.*|x-real-ip|via)$/;
const SAME_SITE = new Set(['none', 'same-origin']);

/** Refusals where the module has no guards. */
export const IN_PRODUCTION =
  'pprof is closed: NODE_ENV is production and PprofModule has no guards. Set the option "guards", or "listen" for a port of its own.';
export const NOT_LOCAL =
  'pprof is closed to all but programs on this machine. To open it, set the option "guards".';

/**
 * Who may use the endpoints of a module without guards: in production nobody, otherwise a program on this machine that
 * names it as such, with no proxy in between and no foreign page behind it.
 *
 * The socket's address counts, never one that the application takes from a header.
 *
 * @returns why the request is refused, or undefined
 */
export function refusalByDefault(request: IncomingMessage, production: boolean): string | undefined {
  if (production) return IN_PRODUCTION;
  const { headers, socket } = request;
  const site = headers['sec-fetch-site'];
  const local =
    isLoopbackAddress(socket.remoteAddress ?? '') &&
    isLoopbackHost(headers.host ?? '') &&
    !Object.keys(headers).some((name) => PROXY_HEADER.test(name)) &&
    (site === undefined || SAME_SITE.has(String(site)));
  return local ? undefined : NOT_LOCAL;
}

/** Against DNS rebinding: a page on a name of its own that points here. */
function isLoopbackHost(host: string): boolean {
  return /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i.test(host);
}
