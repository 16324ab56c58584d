import { applyDecorators, Res, SetMetadata, UseFilters, UseGuards, UseInterceptors } from '@nestjs/common';
import { MetadataScanner } from '@nestjs/core';
import { AccessGuard } from './access.guard.js';
import { ReplyInterceptor } from './reply.interceptor.js';
import { checkedEndpoint, checkHandlers, markedAs, placedAt, type PprofEndpointOptions } from './endpoint.js';
import { GoErrorFilter } from './error.filter.js';

/** The metadata of `@nestjs/swagger`'s ApiExcludeController: the endpoints are not part of the application's API. */
const SWAGGER_EXCLUDE = 'swagger/apiExcludeController';

/** A parameter index that no handler uses. */
const BEYOND_PARAMETERS = 15;

/**
 * Makes a controller an endpoint next to the built-in ones: under the module's path, protected by its guards and interceptors,
 * with error texts in Go's format, and with a row in the index. List the class in the `controllers` of any module.
 *
 * The class has one handler per HTTP method, without a path. A handler returns a string (text), bytes (a download), an object
 * (JSON), or a {@link PprofReply} to set the status and headers; `@HttpCode()` has no effect. `pprofRequest(@Req() request)`
 * returns the query and a signal that is aborted when the client disconnects.
 *
 * @example
 * \@PprofEndpoint({ name: 'uptime', description: 'Seconds since the process was started.' })
 * export class UptimeController {
 *   \@Get()
 *   read() {
 *     return `${process.uptime()}\n`;
 *   }
 * }
 *
 * @throws Error if the options or the handlers are invalid
 * @publicApi
 */
export function PprofEndpoint(options: PprofEndpointOptions): ClassDecorator {
  const endpoint = checkedEndpoint(options);
  return applyDecorators(
    checkHandlers(endpoint),
    RepliedByPprof(endpoint.name),
    markedAs(endpoint),
  ) as ClassDecorator;
}

/** What all controllers of this library share: guard, interceptor, filter, and that the library writes the reply. */
export function RepliedByPprof(...places: string[]): ClassDecorator {
  return applyDecorators(
    placedAt(places),
    SetMetadata(SWAGGER_EXCLUDE, [true]),
    UseGuards(AccessGuard),
    UseInterceptors(ReplyInterceptor),
    UseFilters(GoErrorFilter),
    leftToUs,
  ) as ClassDecorator;
}

/** Injects the response into each handler, so that Nest does not write a reply; the ReplyInterceptor does. */
const leftToUs: ClassDecorator = (controller) => {
  const prototype = controller.prototype as object;
  for (const method of new MetadataScanner().getAllMethodNames(prototype))
    Res()(prototype, method, BEYOND_PARAMETERS);
};
