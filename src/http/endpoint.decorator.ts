import { applyDecorators, Res, SetMetadata, UseFilters, UseGuards, UseInterceptors } from '@nestjs/common';
import { MetadataScanner } from '@nestjs/core';
import { AccessGuard } from './access.guard.js';
import { ReplyInterceptor } from './reply.interceptor.js';
import { checkedEndpoint, checkHandlers, markedAs, placedAt, type PprofEndpointOptions } from './endpoint.js';
import { GoErrorFilter } from './error.filter.js';

/** What `@nestjs/swagger`'s ApiExcludeController sets: the endpoints are no part of the application's API. */
const SWAGGER_EXCLUDE = 'swagger/apiExcludeController';

/** A parameter index that no handler has. */
const BEYOND_PARAMETERS = 15;

/**
 * Makes a controller an endpoint of the library, beside the built-in ones: at the module's path, behind its guards and
 * interceptors, with Go's error texts, and with a row in the index. List the class in the `controllers` of any of your
 * modules.
 *
 * There is one handler for each method, without a path of its own. It returns a string (text), bytes (a download), an
 * object (JSON), or a {@link PprofReply} for a status and headers of its own, in place of `@HttpCode()`; `pprofRequest(@Req() request)` has
 * the parameters by Go's rules and a signal that is aborted when the client goes away.
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
 * @throws Error that names what is wrong with the options or the handlers
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

/** What all our controllers share, endpoints or not: guard, interceptor, filter, and a reply that we write. */
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

/** Injects the response into each handler: Nest then leaves the reply to us, to the ReplyInterceptor. */
const leftToUs: ClassDecorator = (controller) => {
  const prototype = controller.prototype as object;
  for (const method of new MetadataScanner().getAllMethodNames(prototype))
    Res()(prototype, method, BEYOND_PARAMETERS);
};
