import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AbstractHttpAdapter } from '@nestjs/core';
import type { Handler } from './nest-routes.js';
import { routedRequest } from './request.js';

/** Routes of a module for the application's router. */
export interface Routing {
  /** Paths in Nest's syntax; `handle` gets all requests at and below them. */
  readonly bases: readonly string[];
  /** Paths at which Nest has mapped the endpoints. */
  readonly mapped: readonly string[];
  readonly handle: Handler;
  /** Called before body parsers run, with the adapter's request as third argument. */
  readonly prepare: (request: IncomingMessage, response: ServerResponse, adapted: object) => unknown;
  /** If set, `handle` gets only requests that came to the separate port of the module with this router path. */
  readonly key?: string;
}

/** Adds routes to the application's router, after Nest has added its own. Adapters other than Express and Fastify get none. */
export function addRoutes(adapter: AbstractHttpAdapter, routing: Routing): void {
  const [bases, mapped] = [routing.bases, routing.mapped].map((paths) =>
    paths.map((path) => adapter.normalizePath?.(path) ?? path),
  ) as [string[], string[]];
  const add = { express: addToExpress, fastify: addToFastify }[adapter.getType()];
  add?.(adapter.getInstance<never>(), { ...routing, bases, mapped });
}

/** The used part of Express. */
interface Express {
  all(path: string, handler: Handler): unknown;
  handle(request: IncomingMessage, response: ServerResponse, next: unknown): unknown;
  readonly router: { stack: Layer[] };
}

interface Layer {
  readonly route?: { readonly path: unknown; readonly stack: readonly { readonly handle: Handler }[] };
}

/**
 * Express tries its layers in order. Ours are inserted after all middleware and before the first controller, which may have a
 * catch-all route. Every layer costs time for each request that passes it, so Nest's layers for the endpoints, which are no
 * longer reachable, are removed, and `prepare` is not a layer. Other layers stay in place: one at our path may be the
 * application's middleware that denies access.
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

/** Nest copies the metadata of a controller's method to the handler. */
function isController({ route }: Layer): boolean {
  const handlers = route?.stack ?? [];
  return handlers.length > 0 && handlers.every(({ handle }) => Reflect.hasMetadata('path', handle));
}

/** The used part of Fastify. */
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

/** Name of the constraint that hides the routes of a separate port from requests to the application's port. */
const PORT = 'pprof';

/** Fastify prefers the longest static path, so the order of the routes does not matter. */
function addToFastify(fastify: Fastify, { bases, handle, prepare, key }: Routing): void {
  const methods = [...fastify.supportedMethods];
  fastify.addHook('onRequest', (request, reply, done) => {
    prepare(request.raw, reply.raw, request);
    // Routes can't have other methods, and adding methods would change how the application replies to them.
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
