import type { Type } from '@nestjs/common';
import { MetadataScanner } from '@nestjs/core';

/**
 * Nest copies a method's metadata to the handlers that it makes of it, and Fastify's adapter copies this one to the route's
 * `config`, since Fastify has the handler in a wrapper.
 */
const ROUTE_CONFIG = '__fastify_route_config__';

const METHOD = Symbol.for('nestjs-pprof/method');

interface Method {
  readonly key: string;
  /** Those that have the method, inherited or not. */
  readonly controllers: Set<Type>;
  /** The application's own configuration of the route. */
  readonly config: object | undefined;
}

interface RouteConfig {
  readonly [METHOD]?: Method;
}

/**
 * Notes the names of controllers' methods where the handlers that Nest makes of them will have them, too.
 *
 * @returns a function that removes the notes from the methods, when Nest has made its routes
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
 * The name of what handles a route, such as `CatsController.findOne`.
 *
 * @param config of the route, or metadata of the handler
 * @returns undefined if that is no method of a controller
 */
export function handlerName(
  handler: { readonly name: string },
  config = configOf(handler),
): string | undefined {
  const method = config?.[METHOD];
  if (!method) return undefined;
  const { key, controllers } = method;
  const given = handler.name.replace(/^bound /, '');
  if (given.endsWith(`.${key}`)) return given; // by Nest 12
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

/** Several controllers inherit the method: what runs is the method of this class. */
function declarerOf(controller: Type, key: string): string {
  let prototype = controller.prototype as object;
  while (!Object.hasOwn(prototype, key)) prototype = Object.getPrototypeOf(prototype) as object;
  return prototype.constructor.name;
}
