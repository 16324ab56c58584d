import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AbstractHttpAdapter } from '@nestjs/core';
import type { Handler } from './nest-routes.js';
import { routedRequest } from './request.js';

/** What the router of an application gets for a module. */
export interface Routing {
  /** Everything at and below these paths, in Nest's syntax, is for `handle`. */
  readonly bases: readonly string[];
  /** Where Nest has mapped the endpoints. */
  readonly mapped: readonly string[];
  readonly handle: Handler;
  /** To run before parsers read a body, with the adapter's request beside Node's. */
  readonly prepare: (request: IncomingMessage, response: ServerResponse, adapted: object) => unknown;
  /** If set, only requests to the module of that router path are for `handle`; its port has noted them. */
  readonly key?: string;
}

/** Adds routes to the router of an application, after Nest has added its own. Other adapters have Nest's only. */
export function addRoutes(adapter: AbstractHttpAdapter, routing: Routing): void {
  const [bases, mapped] = [routing.bases, routing.mapped].map((paths) =>
    paths.map((path) => adapter.normalizePath?.(path) ?? path),
  ) as [string[], string[]];
  const add = { express: addToExpress, fastify: addToFastify }[adapter.getType()];
  add?.(adapter.getInstance<never>(), { ...routing, bases, mapped });
}

/** What is used of Express. */
interface Express {
  all(path: string, handler: Handler): unknown;
  handle(request: IncomingMessage, response: ServerResponse, next: unknown): unknown;
  readonly router: { stack: Layer[] };
}

interface Layer {
  readonly route?: { readonly path: unknown; readonly stack: readonly { readonly handle: Handler }[] };
}

/**
 * Express tries its layers one after the other: ours come after all middleware, and before the first controller, which
 * may have a route for everything. Each layer takes time of every request that passes it. So Nest's for the endpoints,
 * which no request reaches behind ours, are removed, and what runs first is no layer. Everything else stays where it is:
 * a layer at our path that is no controller's may be the application's middleware, which denies access.
 */
function addToExpress(express: Express, { bases, mapped, handle, prepare }: Routing): void {
  const { router } = express;
  const others = router.stack.filter(
    (layer) => !isController(layer) || !mapped.some((base) => isAt(base, layer.route?.path)),
  );
  router.stack = [];
  for (const base of bases) express.all(`${base}{/*pprof}`, handle);
  const controllers = others.findIndex(isController);
  others.splice(controllers < 0 ? others.length : controllers, 0, ...router.stack);
  router.stack = others;
  const dispatch = express.handle;
  express.handle = (request, response, next) => {
    prepare(request, response, request);
    return dispatch.call(express, request, response, next);
  };
}

function isAt(base: string, path: unknown): boolean {
  return typeof path === 'string' && (path === base || path.startsWith(`${base}/`));
}

/** Nest copies the metadata of a controller's method to its handler. */
function isController({ route }: Layer): boolean {
  const handlers = route?.stack ?? [];
  return handlers.length > 0 && handlers.every(({ handle }) => Reflect.hasMetadata('path', handle));
}

/** What is used of Fastify. */
interface Fastify {
  readonly supportedMethods: readonly string[];
  addHook(
    name: 'onRequest',
    hook: (request: { raw: IncomingMessage }, reply: { raw: ServerResponse }, done: () => void) => void,
  ): unknown;
  hasConstraintStrategy(name: string): boolean;
  addConstraintStrategy(strategy: object): unknown;
  hasRoute(route: object): boolean;
  route(route: object): unknown;
}

/** The constraint by which routes of a port of their own are not there for requests to the application's. */
const PORT = 'pprof';

/** Fastify prefers the longest path without parameters, in whatever order routes are added. */
function addToFastify(fastify: Fastify, { bases, handle, prepare, key }: Routing): void {
  const methods = [...fastify.supportedMethods];
  fastify.addHook('onRequest', (request, reply, done) => {
    prepare(request.raw, reply.raw, request);
    // No route can have the other methods, and to add them would change what the application replies to them.
    if (routedRequest(request.raw) && !methods.includes(request.raw.method!)) handle(request, reply);
    else done();
  });
  if (key && !fastify.hasConstraintStrategy(PORT))
    fastify.addConstraintStrategy({ name: PORT, storage: () => new Map(), deriveConstraint: keyOf });
  const constraints = key ? { [PORT]: key } : {};
  const handler = (request: object, reply: object): unknown => handle(request, reply);
  for (const url of bases.flatMap((base) => [base, `${base}/*`])) {
    const method = methods.filter((one) => !fastify.hasRoute({ method: one, url, constraints }));
    fastify.route({ method, url, handler, constraints });
  }
}

function keyOf(request: IncomingMessage): string | undefined {
  return routedRequest(request)?.routes.routerPath;
}
