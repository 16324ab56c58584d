import type { IncomingMessage, ServerResponse } from 'node:http';
import { rawRequest, whenLost } from './reply.js';
import { bodyOf } from './request-body.js';
import type { Routes } from './routes.js';

/** A request as an endpoint sees it. */
export interface PprofRequest {
  /** The endpoint or named profile that it asks for. */
  readonly name: string;
  readonly method: string;
  /** The raw query, without its `?`. */
  readonly query: string;
  /** The address as the visitor used it. */
  readonly url: string;
  /** Address at the other end of the socket, which may be a proxy's. */
  readonly peer: string;
  /** Aborted when nobody waits for the reply: the client has gone away, or something else has replied. */
  readonly signal: AbortSignal;
  /**
   * Reads the body, once; if a parser of the application has, what that made of it, where this is text or bytes.
   *
   * @throws HttpException 413 for more than 1 MiB
   */
  body(): Promise<Uint8Array>;
}

/** What the raw path of a request says. */
export interface Found {
  /** The path, in Nest's syntax, under which the endpoints are. */
  readonly base: string;
  readonly kind: 'name' | 'missing slash' | 'bad escape';
  /** The endpoint or profile, if it is a name. */
  readonly name: string;
}

/** A request, and the module that it came to. */
export interface RoutedRequest extends Omit<PprofRequest, 'body'>, Found {
  readonly routes: Routes;
}

const requests = new WeakMap<object, RoutedRequest>();

/**
 * What an endpoint is asked: parameters, address, body and signal.
 *
 * @param request what `@Req()` injects
 * @throws Error for a request that is not at an endpoint
 * @publicApi
 */
export function pprofRequest(request: object): PprofRequest {
  const routed = routedRequest(request);
  if (!routed) throw new Error('pprofRequest expects the request of a controller with @PprofEndpoint');
  return { ...routed, body: () => bodyOf(request) };
}

/** The same with the module that it came to; undefined for a request that is not ours. */
export function routedRequest(request: object): RoutedRequest | undefined {
  return requests.get(rawRequest(request));
}

/** Notes what a request asks for, under the adapter's request or itself. */
export function noteRequest(routed: RoutedRequest, request: object = routed): RoutedRequest {
  requests.set(request, routed);
  return routed;
}

/** What Node's request asks of a module. */
export function routedFrom(
  request: IncomingMessage,
  response: ServerResponse,
  found: Found & Pick<RoutedRequest, 'routes'>,
): RoutedRequest {
  const { url = '/', method = 'GET', socket } = request;
  return {
    ...found,
    method,
    query: rawQuery(url),
    url: originOf(request) + prefixOf(request) + originalUrlOf(request),
    peer: socket?.remoteAddress ?? 'unknown',
    signal: whenLost(response),
  };
}

/** The url that the client has sent, also where a router is mounted below another. */
export function originalUrlOf(request: IncomingMessage): string {
  return (request as { originalUrl?: string }).originalUrl ?? request.url ?? '/';
}

/** Hosts that a request is for: the `host` header, and with HTTP/2 the authority. */
export function hostsOf({ headers }: IncomingMessage): string[] {
  return [headers[':authority'], headers.host].filter((host) => host !== undefined).map(String);
}

function rawQuery(path: string): string {
  const mark = path.indexOf('?');
  return mark < 0 ? '' : path.slice(mark + 1);
}

/** Scheme and host that the visitor used; a proxy in front names its own. They end up in a page, hence the check of the letters. */
function originOf(request: IncomingMessage): string {
  const { headers, socket } = request;
  const scheme = first(headers['x-forwarded-proto']) ?? ('encrypted' in socket ? 'https' : 'http');
  const host = first(headers['x-forwarded-host']) ?? hostsOf(request)[0] ?? '';
  return `${scheme === 'https' ? 'https' : 'http'}://${/^[\w.:[\]-]+$/.test(host) ? host : 'localhost'}`;
}

/** What proxies in front have taken off the path, the outermost first; nothing if it is no plain path. */
function prefixOf({ headers }: IncomingMessage): string {
  const prefix = String(headers['x-forwarded-prefix'] ?? '')
    .split(',')
    .map((part) => part.trim().replace(/\/+$/, ''))
    .join('');
  return /^(\/[\w.~%-]+)*$/.test(prefix) ? prefix : '';
}

function first(header: string | string[] | undefined): string | undefined {
  return (
    String(header ?? '')
      .split(',')[0]!
      .trim() || undefined
  );
}
