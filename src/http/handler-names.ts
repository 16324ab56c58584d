import type { Type } from '@nestjs/common';
import { MetadataScanner } from '@nestjs/core';

/**
 * Nest copies a method's metadata to the handlers that it creates for it. Fastify wraps the handler, but its adapter copies
 * this metadata to the route's `config`.
 */
const ROUTE_CONFIG = '__fastify_route_config__';

const METHOD = Symbol.for('nestjs-pprof/method');

interface Method {
  readonly key: string;
  /** Controllers that have the method, own or inherited. */
  readonly controllers: Set<Type>;
  /** The route configuration that the application set. */
  readonly config: object | undefined;
}

interface RouteConfig {
  readonly [METHOD]?: Method;
}

/**
 * Adds the names of controllers' methods to their metadata, which Nest copies to the handlers that it creates.
 *
 * @returns a function that removes the metadata from the methods again, to be called after Nest has created its routes
 */
export function noteMethods(controllers: Iterable<Type>): () => void {
  const methods = new Set<object>();
  for (const controller of controllers) {
    const prototype = controller.prototype as Record<string, object>;
    for (const key of new MetadataScanner().getAllMethodNames(prototype)) {
      const method = prototype[key]!;
      if (!Reflect.hasMetadata('path', method)) continue;
      noteMethod(method, key, controller);
      methods.add(method);
    }
  }
  return () => {
    for (const method of methods) restore(method);
  };
}

/**
 * The name of a route's handler, such as `CatsController.findOne`.
 *
 * @param config the route's config, or the handler's metadata
 * @returns undefined if the handler is not a controller's method
 */
export function handlerName(
  handler: { readonly name: string },
  config = configOf(handler),
): string | undefined {
  const method = config?.[METHOD];
  if (!method) return undefined;
  const { key, controllers } = method;
  const given = handler.name.replace(/^bound /, '');
  if (given.endsWith(`.${key}`)) return given; // named by Nest 12
  const [controller, another] = controllers;
  return `${another ? declarerOf(controller!, key) : controller!.name}.${key}`;
}

function noteMethod(method: object, key: string, controller: Type): void {
  const config = configOf(method);
  const noted = config?.[METHOD];
  if (noted) return void noted.controllers.add(controller);
  const note: Method = { key, controllers: new Set([controller]), config };
  Reflect.defineMetadata(ROUTE_CONFIG, { ...config, [METHOD]: note }, method);
}

function restore(method: object): void {
  const noted = configOf(method)?.[METHOD];
  if (!noted) return;
  if (noted.config) Reflect.defineMetadata(ROUTE_CONFIG, noted.config, method);
  else Reflect.deleteMetadata(ROUTE_CONFIG, method);
}

function configOf(method: object): RouteConfig | undefined {
  return Reflect.getMetadata(ROUTE_CONFIG, method) as RouteConfig | undefined;
}

/** The class that declares a method which several controllers inherit. */
function declarerOf(controller: Type, key: string): string {
  let prototype = controller.prototype as object;
  while (!Object.hasOwn(prototype, key)) prototype = Object.getPrototypeOf(prototype) as object;
  return prototype.constructor.name;
}
