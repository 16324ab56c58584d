import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { ApplicationConfig, HttpAdapterHost } from '@nestjs/core';
import { percentDecoded } from './go-query.js';
import { rawRequest, whenClosed } from './reply.js';
import { bodyOf } from './request-body.js';
import { httpServerOf, Routes, type Target } from './routes.js';

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
  /** Aborted when the client goes away. */
  readonly signal: AbortSignal;
  /**
   * Reads the body, once; if a parser of the application has, what that made of it, where this is text or bytes.
   *
   * @throws HttpException 413 for more than 1 MiB
   */
  body(): Promise<Uint8Array>;
}

/** A request, and the module that it came to. */
export interface RoutedRequest extends Omit<PprofRequest, 'body'> {
  readonly routes: Routes;
  readonly target: Target;
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

/** Headers of a body. Without them the application's parsers leave it alone, and cannot refuse it before our guards are asked. */
const BODY_HEADERS = ['content-type', 'content-length', 'transfer-encoding', 'content-encoding'];

/** What every adapter routes; Nest 11's Fastify one has no route for the likes of PROPFIND. */
const ROUTED = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** Their bodies mean nothing. */
const BODILESS = new Set(['GET', 'HEAD']);

/**
 * Reads the raw path of a request before the application does.
 *
 * Express and Fastify differ in what they accept for the same path (`HEAP`, `heap/`, `h%65ap`), and Go differs from both.
 * So the name is read here, by Go's rules, as the first listener of the HTTP server: before routers, body parsers and
 * hooks, and alike for both. The router then gets the plain path of a controller of ours.
 */
@Injectable()
export class RequestListener implements OnModuleInit, OnModuleDestroy {
  private server: Server | undefined;
  /** Where clients have the endpoints, and where the router has them. */
  private places: Place[] = [];

  constructor(
    private readonly routes: Routes,
    private readonly host: HttpAdapterHost,
    private readonly config: ApplicationConfig,
  ) {}

  onModuleInit(): void {
    const { listen, path, routerPath } = this.routes;
    const routes = routesOf(`/${routerPath}`, this.config);
    this.places = routes.map((route) => ({ base: listen ? `/${path}` : route, route }));
    if (listen) return; // its requests come by `route`
    this.server = httpServerOf(this.host);
    this.server?.prependListener('request', this.listener);
  }

  onModuleDestroy(): void {
    // The listener stays until the server is closed: requests may still come.
    this.server?.once('close', () => this.server?.off('request', this.listener));
  }

  /**
   * Notes a request if it is at our path. The guard calls this too, for requests that came past the server
   * (Fastify's `inject`, serverless adapters).
   */
  note(request: IncomingMessage, response: ServerResponse): RoutedRequest | undefined {
    const found = this.routes.listen ? undefined : this.find(pathOf(request));
    return found && noteRequest(routedFrom(request, response, this.routes, found.target), request);
  }

  /** Notes a request if it is at our path, and gives it the path that the router has for it. */
  route(request: IncomingMessage, response: ServerResponse): RoutedRequest | undefined {
    const found = this.find(pathOf(request));
    if (!found) return undefined;
    const routed = noteRequest(routedFrom(request, response, this.routes, found.target), request);
    const { method, query } = routed;
    const { path, readsBody } = this.routes.routeFor(found.target, method);
    if (!readsBody || BODILESS.has(method)) for (const header of BODY_HEADERS) delete request.headers[header];
    if (!ROUTED.has(method)) request.method = 'GET'; // the routed request has the real one
    const url = [found.route, path].filter(Boolean).join('/');
    Object.assign(request, { originalUrl: request.url }); // which access logs show
    request.url = query ? `${url}?${query}` : url;
    return routed;
  }

  private readonly listener = (request: IncomingMessage, response: ServerResponse): void => {
    if (this.mayBeOurs(request.url ?? '/') && !routedRequest(request)) this.route(request, response);
  };

  /** Quick, since every request of the application passes here: an escape may stand for any letter of our path. */
  private mayBeOurs(url: string): boolean {
    return url.includes('%') || this.places.some(({ base }) => url.startsWith(base));
  }

  private find(rawPath: string): { route: string; target: Target } | undefined {
    const brokenEscape = /%(?![0-9a-fA-F]{2})/.test(rawPath);
    const path = brokenEscape ? rawPath : percentDecoded(rawPath);
    const place = this.places.find(({ base }) => path === base || path.startsWith(`${base}/`));
    if (!place) return undefined;
    const { base, route } = place;
    if (brokenEscape) return { route, target: { kind: 'bad escape' } };
    if (path === base) return { route, target: { kind: 'missing slash' } };
    return { route, target: { kind: 'name', name: path.slice(base.length + 1) } };
  }
}

interface Place {
  readonly base: string;
  readonly route: string;
}

/** Our path with a global prefix, and without where the application excludes it from that. */
function routesOf(own: string, config: ApplicationConfig): string[] {
  const prefix = config.getGlobalPrefix().replace(/^\/|\/$/g, '');
  if (!prefix) return [own];
  const { exclude = [] } = config.getGlobalPrefixOptions();
  const excluded = exclude.some(({ pathRegex }) => pathRegex.test(own) || pathRegex.test(`${own}/heap`));
  return excluded ? [own, `/${prefix}${own}`] : [`/${prefix}${own}`];
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '/').split('?', 1)[0]!;
}

function routedFrom(
  request: IncomingMessage,
  response: ServerResponse,
  routes: Routes,
  target: Target,
): RoutedRequest {
  const path = request.url ?? '/';
  return {
    routes,
    target,
    name: target.kind === 'name' ? target.name : '',
    method: request.method ?? 'GET',
    query: rawQuery(path),
    url: originOf(request) + path,
    peer: request.socket?.remoteAddress ?? 'unknown',
    signal: whenGone(response),
  };
}

function rawQuery(path: string): string {
  const mark = path.indexOf('?');
  return mark < 0 ? '' : path.slice(mark + 1);
}

/** Scheme and host that the visitor used; a proxy in front names its own. They end up in a page, hence the check of the letters. */
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
  void abortUnfinished(response, gone);
  return gone.signal;
}

async function abortUnfinished(response: ServerResponse, gone: AbortController): Promise<void> {
  await whenClosed(response);
  if (!response.writableFinished) gone.abort();
}
