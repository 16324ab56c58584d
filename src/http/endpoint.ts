import { Controller, RequestMethod, SetMetadata, VERSION_NEUTRAL } from '@nestjs/common';
import { MetadataScanner } from '@nestjs/core';

/** What an endpoint is called and what the index says of it. */
export interface PprofEndpointOptions {
  /** The last part of its path, and its row in the index; empty for the index itself. */
  readonly name: string;
  /** A sentence for the index; with none, the index has no row. */
  readonly description: string;
  /**
   * Methods that it accepts; others get 405. HEAD goes with GET.
   * @default ['GET']
   */
  readonly methods?: readonly ('GET' | 'POST')[];
  /**
   * Whether it replies below its path too.
   * @default false
   * @internal
   */
  readonly hasFiles?: boolean;
}

/** An endpoint with its defaults. */
export type Endpoint = Required<PprofEndpointOptions>;

const ENDPOINT = 'nestjs-pprof:endpoint';

const METHODS: ReadonlySet<string> = new Set(['GET', 'POST']);

/**
 * An endpoint's options with their defaults.
 *
 * @throws Error that names what is wrong
 */
export function checkedEndpoint(options: PprofEndpointOptions): Endpoint {
  const { name, description, methods = ['GET'], hasFiles = false, ...rest } = options;
  if (typeof name !== 'string' || !/^[\w.-]*$/.test(name))
    throw refusal('name', name, 'letters, digits and ._-');
  if (typeof description !== 'string') throw refusal('description', description, 'a sentence');
  if (!methods.length || !methods.every((method) => METHODS.has(method))) {
    throw refusal('list of methods', methods, 'GET and POST');
  }
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw new Error(`PprofEndpoint: unknown option "${unknown}"`);
  return { name, description, methods, hasFiles };
}

function refusal(what: string, value: unknown, takes: string): Error {
  return new Error(`PprofEndpoint: invalid ${what} ${JSON.stringify(value)}: expected ${takes}`);
}

/** Checks that a controller has a handler for each method of its endpoint, none at a path below it, and no endpoint above it. */
export function checkHandlers({ name, methods }: Endpoint): ClassDecorator {
  return (controller) => {
    const { prototype } = controller;
    const extended = endpointOf(controller);
    if (extended)
      throw new Error(
        `PprofEndpoint: "${name}" extends the endpoint "${extended.name}"; put what they share into a class that is not an endpoint`,
      );
    const handlers = new MetadataScanner()
      .getAllMethodNames(prototype as object)
      .map((key) => (prototype as Record<string, object>)[key]!)
      .filter((handler) => Reflect.hasMetadata('method', handler));
    const taken = new Set(
      handlers.map((handler) => RequestMethod[Reflect.getMetadata('method', handler) as number]),
    );
    const below = handlers.find((handler) => Reflect.getMetadata('path', handler) !== '/');
    if (below)
      throw new Error(`PprofEndpoint: a handler of "${name}" has a path of its own; an endpoint is one path`);
    const missing = methods.find((method) => !taken.has(method) && !taken.has('ALL'));
    if (missing) throw new Error(`PprofEndpoint: "${name}" accepts ${missing} and has no handler for it`);
  };
}

/** The metadata of an endpoint's controller; undefined for other classes. */
export function endpointOf(controller: object): Endpoint | undefined {
  return Reflect.getMetadata(ENDPOINT, controller) as Endpoint | undefined;
}

/** Notes on a controller's class that it is an endpoint. */
export function markedAs(endpoint: Endpoint): ClassDecorator {
  return SetMetadata(ENDPOINT, endpoint);
}

/** The paths of a controller. */
export function placesOf(controller: object): readonly string[] {
  return Reflect.getMetadata('path', controller) as string[];
}

/** Puts a controller at paths, whatever the application's version is. */
export function placedAt(paths: string[]): ClassDecorator {
  return Controller({ path: paths, version: VERSION_NEUTRAL });
}
