import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AbstractHttpAdapter } from '@nestjs/core';
import type { Handler } from './nest-routes.js';
import { routedRequest } from './request.js';

/** What the router of an application gets for a module. */
export interface Routing {
  /** Everything at and below these paths, in Nest's syntax, is for `handle`. */
  readonly bases: readonly string[];
  readonly handle: Handler;
  /** To run before parsers read a body, with the adapter's request beside Node's. */
  readonly prepare: (request: IncomingMessage, response: ServerResponse, adapted: object) => unknown;
  /** If set, only requests to the module of that router path are for `handle`; its port has noted them. */
  readonly key?: string;
}

/** Adds routes to the router of an application, after Nest has added its own. Other adapters have Nest's only. */
export function addRoutes(adapter: AbstractHttpAdapter, routing: Routing): void {
  const bases = routing.bases.map((base) => adapter.normalizePath?.(base) ?? base);
  const add = { express: addToExpress, fastify: addToFastify }[adapter.getType()];
  add?.(adapter.getInstance<never>(), { ...routing, bases });
}

/** What is used of Express. */
interface Express {
  use(handler: Handler): unknown;
  all(path: string, handler: Handler): unknown;
  readonly router: { readonly stack: Layer[] };
}

interface Layer {
  readonly route?: { readonly stack: readonly { readonly handle: Handler }[] };
}

/**
 * Express tries its layers one after the other: ours come after all middleware, and before the first controller, which
 * may have a route for everything.
 */
function addToExpress(express: Express, { bases, handle, prepare }: Routing): void {
  const { stack } = express.router;
  const before = stack.length;
  for (const base of bases) {
    express.all(base, handle);
    express.all(`${base}/*pprof`, handle);
  }
  const own = stack.splice(before);
  const controllers = stack.findIndex(({ route }) => route?.stack.some(({ handle }) => isController(handle)));
  stack.splice(controllers < 0 ? stack.length : controllers, 0, ...own);
  express.use((request, response, next) => {
    prepare(request as IncomingMessage, response as ServerResponse, request);
    next!();
  });
  stack.unshift(stack.pop()!);
}

/** Nest copies the metadata of a controller's method to its handler. */
function isController(handler: Handler): boolean {
  return Reflect.hasMetadata('path', handler);
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
