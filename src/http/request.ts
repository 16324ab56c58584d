import type { IncomingMessage, ServerResponse } from 'node:http';
import { rawRequest, whenLost } from './reply.js';
import { bodyOf } from './request-body.js';
import type { Routes } from './routes.js';

/** A request, as `pprofRequest` returns it. */
export interface PprofRequest {
  /** Name of the requested endpoint or profile. */
  readonly name: string;
  readonly method: string;
  /** The raw query string, without `?`. */
  readonly query: string;
  /** The URL that the client used; behind a proxy, according to `X-Forwarded-Proto` and `X-Forwarded-Host`. */
  readonly url: string;
  /** Remote address of the socket, which may be a proxy's. */
  readonly peer: string;
  /** Aborted when the client disconnects, or when something else has replied. */
  readonly signal: AbortSignal;
  /**
   * Reads the body; can be called once. If a body parser of the application has read it already, returns the parser's result
   * if that is a string or bytes.
   *
   * @throws HttpException 413 if it is larger than 1 MiB
   */
  body(): Promise<Uint8Array>;
}

/** The result of matching the raw path of a request. */
export interface Found {
  /** The path of the endpoints, in Nest's syntax. */
  readonly base: string;
  readonly kind: 'name' | 'missing slash' | 'bad escape';
  /** Name of the endpoint or profile, if `kind` is `name`. */
  readonly name: string;
}

/** A request with the routes of the module that serves it. */
export interface RoutedRequest extends Omit<PprofRequest, 'body'>, Found {
  readonly routes: Routes;
}

/** Characters of `X-Forwarded-Prefix`, which anybody can send. */
const LONGEST_PREFIX = 1000;

const requests = new WeakMap<object, RoutedRequest>();

/**
 * Returns the query, URL, body and abort signal of a request to an endpoint.
 *
 * @param request what `@Req()` injects
 * @throws Error if the request is not for a controller with `@PprofEndpoint`
 * @publicApi
 */
export function pprofRequest(request: object): PprofRequest {
  const routed = routedRequest(request);
  if (!routed) throw new Error('pprofRequest expects the request of a controller with @PprofEndpoint');
  return { ...routed, body: () => bodyOf(request) };
}

/** The same with the module's routes; undefined if the request is not for this module. */
export function routedRequest(request: object): RoutedRequest | undefined {
  return requests.get(rawRequest(request));
}

/** Stores the routed request, by the adapter's request object or by itself. */
export function noteRequest(routed: RoutedRequest, request: object = routed): RoutedRequest {
  requests.set(request, routed);
  return routed;
}

/** Makes a routed request of Node's request. */
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

/** The URL that the client sent, also inside a nested router. */
export function originalUrlOf(request: IncomingMessage): string {
  return (request as { originalUrl?: string }).originalUrl ?? request.url ?? '/';
}

/** Hosts that a request names: the `host` header, and with HTTP/2 the authority. */
export function hostsOf({ headers }: IncomingMessage): string[] {
  return [headers[':authority'], headers.host].filter((host) => host !== undefined).map(String);
}

function rawQuery(path: string): string {
  const mark = path.indexOf('?');
  return mark < 0 ? '' : path.slice(mark + 1);
}

/** Scheme and host that the client used, according to a proxy's headers if there are any. Checked, because a page shows them. */
function originOf(request: IncomingMessage): string {
  const { headers, socket } = request;
  const scheme = first(headers['x-forwarded-proto']) ?? ('encrypted' in socket ? 'https' : 'http');
  const host = first(headers['x-forwarded-host']) ?? hostsOf(request)[0] ?? '';
  return `${scheme === 'https' ? 'https' : 'http'}://${/^[\w.:[\]-]+$/.test(host) ? host : 'localhost'}`;
}

/** The path that proxies have removed, the outermost one's first; empty if it is not a plain path, or a very long one. */
function prefixOf({ headers }: IncomingMessage): string {
  const given = String(headers['x-forwarded-prefix'] ?? '');
  if (given.length > LONGEST_PREFIX) return '';
  const parts = given.split(',').map((part) => part.trim());
  const prefix = parts.map((part) => (part.endsWith('/') ? part.slice(0, -1) : part)).join('');
  return /^(\/[\w.~%-]+)*$/.test(prefix) ? prefix : '';
}

function first(header: string | string[] | undefined): string | undefined {
  return (
    String(header ?? '')
      .split(',')[0]!
      .trim() || undefined
  );
}
