import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { ApplicationConfig, HttpAdapterHost } from '@nestjs/core';
import { type Exchange, exchangeOf, openExchange, type Target } from './exchange.js';
import { percentDecoded } from './go-query.js';
import { FALLBACK, PprofMount } from './mount.js';
import { mountOfPort } from './own-port.js';

/** Of a body. Without them the application's parsers leave it alone, and cannot refuse it before our guards are asked. */
const BODY_HEADERS = ['content-type', 'content-length', 'transfer-encoding', 'content-encoding'];

/** What every adapter routes; Nest 11's Fastify one has no route for the likes of PROPFIND. */
const ROUTED = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/**
 * Where clients before Go 1.24 POST the addresses of a text, unless its own path has `/debug/pprof/` in it: at the root of
 * the server, wherever the text was.
 */
const SYMBOLS_AT_ROOT = '/symbolz';

/** Their bodies mean nothing. */
const BODILESS = new Set(['GET', 'HEAD']);

/**
 * Reads the raw path of a request before the application does.
 *
 * Express and Fastify differ in what they take for the same path (`HEAP`, `heap/`, `h%65ap`), and Go differs from both.
 * So the name is read here, by Go's rules, as the first listener of the HTTP server: before routers, body parsers and
 * hooks, and alike for both. The router then gets the plain path of the endpoint, or, for everything that is no
 * endpoint, that of the {@link FallbackController}, which refuses behind the same guards.
 */
@Injectable()
export class FrontDoor implements OnModuleInit, OnModuleDestroy {
  private server: Server | undefined;
  private places: Place[] = [];
  /** What is asked at {@link SYMBOLS_AT_ROOT}; none where clients find `symbol` beside the profile. */
  private symbols: Found | undefined;

  constructor(
    private readonly mount: PprofMount,
    private readonly host: HttpAdapterHost,
    private readonly config: ApplicationConfig,
  ) {}

  onModuleInit(): void {
    const server = this.host.httpAdapter?.getHttpServer?.() as Server | undefined;
    if (typeof server?.prependListener !== 'function') return; // no HTTP in this application
    this.places = this.placesIn(this.config);
    this.symbols = this.symbolsAtRoot();
    this.server = server;
    server.prependListener('request', this.listener);
  }

  onModuleDestroy(): void {
    // The listener stays until the server is closed: requests may still come.
    this.server?.once('close', () => this.server?.off('request', this.listener));
  }

  /**
   * Takes in a request if it is at our path. The guard calls this too, for requests that came past the server
   * (Fastify's `inject`, serverless adapters).
   */
  open(request: IncomingMessage, response: ServerResponse): Exchange | undefined {
    if (this.mount.listen) return undefined;
    const found = this.find(pathOf(request));
    return found && openExchange(request, response, this.mount, found.target);
  }

  private readonly listener = (request: IncomingMessage, response: ServerResponse): void => {
    const found = this.findAtOurs(request);
    if (!found || exchangeOf(request)) return;
    const { route, target } = found;
    const {
      request: { method, query },
    } = openExchange(request, response, this.mount, target);
    const endpoint = target.kind === 'name' ? this.mount.endpointFor(target.name, method) : undefined;
    if (!endpoint || endpoint.rawBody || BODILESS.has(method))
      for (const header of BODY_HEADERS) delete request.headers[header];
    if (!endpoint && !ROUTED.has(method)) request.method = 'GET'; // the exchange has the real one
    const path = endpoint ? [route, endpoint.name].filter(Boolean).join('/') : `${route}/${FALLBACK}`;
    request.url = query ? `${path}?${query}` : path;
  };

  /** On the port of a module there is that module alone. */
  private findAtOurs(request: IncomingMessage): Found | undefined {
    const owner = mountOfPort(request);
    if (owner !== this.mount && (owner || this.mount.listen)) return undefined;
    if (request.url === SYMBOLS_AT_ROOT && request.method === 'POST' && this.symbols) return this.symbols;
    return owner ? this.findOnOwnPort(request) : this.findAmongAll(request);
  }

  /** Quick, since every request of the application passes here: an escape may stand for any letter of our path. */
  private findAmongAll(request: IncomingMessage): Found | undefined {
    const url = request.url ?? '/';
    return url.includes('%') || this.isAtPlace(url) ? this.find(pathOf(request)) : undefined;
  }

  private isAtPlace(url: string): boolean {
    for (const { base } of this.places) if (url.startsWith(base)) return true;
    return false;
  }

  /** There is nothing else: what is not at our path is unknown. */
  private findOnOwnPort(request: IncomingMessage): Found {
    const path = pathOf(request);
    return this.find(path) ?? { route: this.places[0]!.route, target: { kind: 'name', name: path } };
  }

  private find(rawPath: string): Found | undefined {
    const brokenEscape = /%(?![0-9a-fA-F]{2})/.test(rawPath);
    const path = brokenEscape ? rawPath : percentDecoded(rawPath);
    const place = this.places.find(({ base }) => path === base || path.startsWith(`${base}/`));
    if (!place) return undefined;
    const { base, route } = place;
    if (brokenEscape) return { route, target: { kind: 'bad escape' } };
    if (path === base) return { route, target: { kind: 'missing slash' } };
    return { route, target: { kind: 'name', name: path.slice(base.length + 1) } };
  }

  private symbolsAtRoot(): Found | undefined {
    const place = this.places.find(({ base }) => !`${base}/`.includes('/debug/pprof/'));
    if (!place || !this.mount.isOn('symbolz')) return undefined;
    return { route: place.route, target: { kind: 'name', name: 'symbolz' } };
  }

  private placesIn(config: ApplicationConfig): Place[] {
    const { path, route, listen } = this.mount;
    const routes = routesOf(`/${route}`, config);
    return routes.map((at) => ({ base: listen ? `/${path}` : at, route: at }));
  }
}

/** Where clients have the endpoints, and where the application's router has them. */
interface Place {
  readonly base: string;
  readonly route: string;
}

interface Found {
  readonly route: string;
  readonly target: Target;
}

/** With a global prefix, and without where the application excludes our path from it. */
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
