import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { addRoutes } from './adapters.js';
import { percentDecoded } from './go-query.js';
import type { Handler } from './nest-routes.js';
import {
  type Found,
  noteRequest,
  originalUrlOf,
  type RoutedRequest,
  routedFrom,
  routedRequest,
} from './request.js';
import { RequestTracker } from './request-tracker.js';
import { httpServerOf, Routes } from './routes.js';

/** Headers of a body. Without them the application's parsers ignore it, and can't reject the request before our guards run. */
const BODY_HEADERS = ['content-type', 'content-length', 'transfer-encoding', 'content-encoding'];

/** Replaces bytes that are not valid UTF-8, which routers reject. */
const NOT_UTF8 = '\uFFFD';

/**
 * Routes requests under the module's path to the endpoints.
 *
 * Express and Fastify match paths differently (`HEAP`, `heap/`, `h%65ap`), and Go differs from both. So the name is parsed here,
 * by Go's rules, from the raw path. Nest has mapped only some of the names, so the application's router gets one route for
 * everything under the path.
 */
@Injectable()
export class PprofRouter implements OnModuleInit, OnModuleDestroy {
  private server: Server | undefined;
  /** Paths at which clients reach the endpoints, longest first. */
  private bases: Base[] = [];

  constructor(
    private readonly routes: Routes,
    private readonly tracker: RequestTracker,
    private readonly host: HttpAdapterHost,
  ) {}

  onModuleInit(): void {
    const { listen, path, routerPath } = this.routes;
    const server = httpServerOf(this.host);
    const mapped = server ? this.routes.map() : [];
    const bases = listen ? [`/${path}`] : mapped;
    this.bases = bases.map(baseAt).sort((a, b) => b.base.length - a.base.length);
    if (!server) return;
    const { handle, prepare } = this;
    addRoutes(this.host.httpAdapter, { bases, mapped, handle, prepare, key: listen && routerPath });
    this.server = server;
    server.prependListener('request', prepare); // Fastify rejects an invalid escape before any hook
  }

  /** Where clients have the endpoints, in Nest's syntax. */
  get paths(): string[] {
    return this.bases.map(({ base }) => base);
  }

  onModuleDestroy(): void {
    // Keep the listener until the server is closed: requests may still arrive.
    this.server?.once('close', () => this.server?.off('request', this.prepare));
  }

  /**
   * Recognizes a request under our path. Changes the client's request in two cases only: it hides a body that no endpoint reads
   * from parsers, and it gives routers escapes that they can decode.
   */
  readonly note = (request: IncomingMessage, response: ServerResponse): RoutedRequest | undefined => {
    const { url = '/' } = request;
    // A fast check, since every request of the application passes here. With an escape the path can't be compared as it is.
    if (!url.includes('%') && !this.bases.some(({ literal }) => url.startsWith(literal))) return undefined;
    const found = this.find(url.split('?', 1)[0]!);
    const known = routedRequest(request);
    if (!found || (known && (known.routes.listen || known.base.length >= found.base.length))) return known;
    const routed = noteRequest(routedFrom(request, response, { routes: this.routes, ...found }), request);
    if (!this.routes.readsBody(routed)) for (const header of BODY_HEADERS) delete request.headers[header];
    if (found.kind === 'bad escape' || found.name.includes(NOT_UTF8)) {
      Object.assign(request, { originalUrl: originalUrlOf(request) }); // which access logs show
      request.url = url.replace(/^[^?]*/, (path) => path.replaceAll('%', '%25'));
    }
    return routed;
  };

  private readonly prepare = (request: IncomingMessage, response: ServerResponse, adapted?: object): void => {
    this.tracker.track(request, response, adapted);
    if (!this.routes.listen) this.note(request, response);
  };

  private readonly handle: Handler = (request, response, next) => {
    const routed = routedRequest(request);
    if (!routed && next) return next();
    return (routed?.routes ?? this.routes).handlerFor(routed)(request, response, next);
  };

  private find(rawPath: string): Found | undefined {
    const brokenEscape = /%(?![0-9a-fA-F]{2})/.test(rawPath);
    const decoded = brokenEscape ? rawPath : percentDecoded(rawPath);
    for (const { base, pattern } of this.bases) {
      const [match, name] = pattern.exec(decoded) ?? [];
      if (match === undefined) continue;
      const kind = name === undefined ? 'missing slash' : 'name';
      return { base, kind: brokenEscape ? 'bad escape' : kind, name: name ?? '' };
    }
    return undefined;
  }
}

interface Base {
  readonly base: string;
  /** The part before the first parameter. */
  readonly literal: string;
  /** Matches a path at or below the base; the group is the name. */
  readonly pattern: RegExp;
}

/** Parameters, wildcards and optional parts, which a global prefix or a module's path may contain. */
const SYNTAX: Readonly<Record<string, string>> = { ':': '[^/]+', '*': '.+', '{': '(?:', '}': ')?' };

function baseAt(base: string): Base {
  const pattern = base.replace(/[:*]\w+|[^\w/]/g, (token) => SYNTAX[token[0]!] ?? `\\${token}`);
  return { base, literal: base.split(/[:*{]/)[0]!, pattern: new RegExp(`^${pattern}(?:/(.*))?$`, 's') };
}
