import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ExecutionContext } from '@nestjs/common';
import type { PprofMount } from './mount.js';
import { rawRequest } from './response.js';

/** One request at our path. */
export interface Exchange {
  /** The module that it came to. */
  readonly mount: PprofMount;
  readonly target: Target;
  readonly request: PprofRequest;
}

/** What a request is for, read from its raw path. */
export type Target =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'missing slash' }
  | { readonly kind: 'bad escape' };

/** A request as an endpoint sees it. */
export interface PprofRequest {
  readonly method: string;
  /** The raw query, without its `?`. */
  readonly query: string;
  /** The address as the visitor used it. */
  readonly url: string;
  /** Address at the other end of the socket, which may be a proxy's. */
  readonly peer: string;
  /** Aborted when the client goes away. */
  readonly signal: AbortSignal;
}

const exchanges = new WeakMap<IncomingMessage, Exchange>();

/** Notes what a request is for; the first module that takes it keeps it. */
export function openExchange(
  request: IncomingMessage,
  response: ServerResponse,
  mount: PprofMount,
  target: Target,
): Exchange {
  const path = request.url ?? '/';
  const exchange: Exchange = {
    mount,
    target,
    request: {
      method: request.method ?? 'GET',
      query: rawQuery(path),
      url: originOf(request) + path,
      peer: request.socket?.remoteAddress ?? 'unknown',
      signal: whenGone(response),
    },
  };
  exchanges.set(request, exchange);
  return exchange;
}

/** The exchange that a request of the adapter belongs to. */
export function exchangeOf(request: object): Exchange | undefined {
  return exchanges.get(rawRequest(request));
}

/**
 * What an endpoint is asked: parameters, address and signal.
 *
 * @param request what `@Req()` injects
 * @throws Error for a request that is not at an endpoint
 * @publicApi
 */
export function pprofRequest(request: object): PprofRequest {
  const exchange = exchangeOf(request);
  if (!exchange) throw new Error('pprofRequest takes the request of a controller with @PprofEndpoint');
  return exchange.request;
}

/** The exchange of a guard's or interceptor's context. */
export function exchangeOfContext(context: ExecutionContext): Exchange | undefined {
  return exchangeOf(context.switchToHttp().getRequest<object>());
}

function rawQuery(path: string): string {
  const mark = path.indexOf('?');
  return mark < 0 ? '' : path.slice(mark + 1);
}

/** Scheme and host that the visitor used; a proxy in front tells its own. They end up in a page, so no odd letters. */
function originOf({ headers, socket }: IncomingMessage): string {
  const scheme = first(headers['x-forwarded-proto']) ?? ('encrypted' in socket ? 'https' : 'http');
  const host = first(headers['x-forwarded-host']) ?? headers.host ?? '';
  return `${scheme === 'https' ? 'https' : 'http'}://${/^[\w.:[\]-]+$/.test(host) ? host : 'localhost'}`;
}

function first(header: string | string[] | undefined): string | undefined {
  return (
    String(header ?? '')
      .split(',')[0]!
      .trim() || undefined
  );
}

function whenGone(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) gone.abort();
  });
  return gone.signal;
}
