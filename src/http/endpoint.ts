import { Controller, SetMetadata, VERSION_NEUTRAL } from '@nestjs/common';

/** What an endpoint is called and what the index says of it. */
export interface PprofEndpointOptions {
  /** The last part of its path, and its row in the index; empty for the index itself. */
  readonly name: string;
  /** A sentence for the index. */
  readonly description: string;
  /**
   * Methods it takes; others get 405. HEAD goes with GET.
   * @default ['GET']
   */
  readonly methods?: readonly ('GET' | 'POST')[];
}

/** An endpoint with its defaults. */
export type Endpoint = Required<PprofEndpointOptions>;

const ENDPOINT = 'nestjs-pprof:endpoint';

/** The metadata of an endpoint's controller; undefined for other classes. */
export function endpointOf(controller: object): Endpoint | undefined {
  return Reflect.getMetadata(ENDPOINT, controller) as Endpoint | undefined;
}

/** Notes on a controller's class that it is an endpoint. */
export function markedAs(endpoint: Endpoint): ClassDecorator {
  return SetMetadata(ENDPOINT, endpoint);
}

/** Puts a controller at paths, whatever the application's version is. */
export function placedAt(paths: string[]): ClassDecorator {
  return Controller({ path: paths, version: VERSION_NEUTRAL });
}
