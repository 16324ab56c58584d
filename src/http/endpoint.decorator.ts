import { applyDecorators, Res, SetMetadata, UseFilters, UseGuards, UseInterceptors } from '@nestjs/common';
import { MetadataScanner } from '@nestjs/core';
import { AnswerInterceptor } from './answer.interceptor.js';
import {
  checkedEndpoint,
  checkHandlers,
  endpointOf,
  markedAs,
  placedAt,
  type PprofEndpointOptions,
} from './endpoint.js';
import { GoErrorFilter } from './go-error.filter.js';
import { PprofGuard } from './pprof.guard.js';

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
 * object (JSON), or a {@link PprofAnswer} for a status and headers of its own, in place of `@HttpCode()`; `pprofRequest(@Req() request)` has
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
    AnsweredByPprof(endpoint.name),
    markedAs(endpoint),
  ) as ClassDecorator;
}

/** What all our controllers share, endpoints or not: guard, interceptor, filter, and an answer that we write. */
export function AnsweredByPprof(path: string): ClassDecorator {
  return applyDecorators(
    placedAt([path]),
    unlessInherited(
      applyDecorators(
        SetMetadata(SWAGGER_EXCLUDE, [true]),
        UseGuards(PprofGuard),
        UseInterceptors(AnswerInterceptor),
        UseFilters(GoErrorFilter),
      ) as ClassDecorator,
    ),
    leftToUs,
  ) as ClassDecorator;
}

/** Nest adds a class's guards to those of the class that it extends: an endpoint of an endpoint would be asked twice. */
function unlessInherited(decorate: ClassDecorator): ClassDecorator {
  return (controller) => {
    if (!endpointOf(controller)) decorate(controller);
  };
}

/** Injects the response into each handler: Nest then leaves the answer to us, the AnswerInterceptor that is. */
const leftToUs: ClassDecorator = (controller) => {
  const prototype = controller.prototype as object;
  for (const method of new MetadataScanner().getAllMethodNames(prototype))
    Res()(prototype, method, BEYOND_PARAMETERS);
};
