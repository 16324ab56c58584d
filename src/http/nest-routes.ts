import type { Type } from '@nestjs/common';
import type { ApplicationConfig, DiscoveryService, ModuleRef } from '@nestjs/core';
import { NoopGraphInspector } from '@nestjs/core/inspector/noop-graph-inspector.js';
import { RoutesResolver } from '@nestjs/core/router/routes-resolver.js';

/** A handler that Nest creates for a controller's method, with global guards, interceptors and filters. */
export type Handler = (request: object, response: object, next?: () => void) => unknown;

/** A route that Nest resolved. */
export interface NestRoute {
  readonly controller: Type;
  readonly method: 'GET' | 'POST' | 'ALL';
  /** Including the module's path, the global prefix and versions. */
  readonly path: string;
  readonly handler: Handler;
}

type Wrapper = ReturnType<DiscoveryService['getControllers']>[number];

const QUIET = { log: (): void => undefined };

/**
 * The routes of some controllers. Uses Nest's own resolver, because the path of a route depends on many rules; it gets a router
 * that only records the routes.
 */
export function nestRoutes(
  moduleRef: ModuleRef,
  config: ApplicationConfig,
  controllers: readonly Wrapper[],
): NestRoute[] {
  const resolver = new RoutesResolver(
    moduleRef['container'],
    config,
    moduleRef['injector'],
    NoopGraphInspector,
  );
  for (const logger of [resolver, resolver['routerExplorer']]) Object.assign(logger, { logger: QUIET }); // Nest has already logged them
  const prefix = config.getGlobalPrefix().replace(/^(?=[^/])/, '/');
  return controllers.flatMap((wrapper) => {
    const { metatype, host } = wrapper;
    const routes: NestRoute[] = [];
    const note = (method: NestRoute['method']) => (path: string, handler: Handler) =>
      routes.push({ controller: metatype as Type, method, path, handler });
    const router = {
      get: note('GET'),
      post: note('POST'),
      all: note('ALL'),
      use: () => {}, // for other methods, which no endpoint accepts
      applyVersionFilter: (handler: Handler) => handler,
    };
    const modulePath = resolver['getModulePathMetadata'](host!.metatype);
    resolver.registerRouters(
      new Map([[metatype!, wrapper]]),
      host!.token,
      prefix,
      modulePath,
      router as never,
    );
    return routes;
  });
}
