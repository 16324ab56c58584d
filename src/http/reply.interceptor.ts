import type { ServerResponse } from 'node:http';
import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import { defer, from, lastValueFrom, mergeAll, type Observable, of } from 'rxjs';
import { endpointOf } from './endpoint.js';
import { goException, replyOf } from './go-errors.js';
import { type PprofReply, takeOver, toReply, writeReply } from './reply.js';
import { type RoutedRequest, routedRequest } from './request.js';

/**
 * Runs an endpoint and writes its reply, out of reach of the application's global interceptors: to them the handler
 * returns at once, with nothing. So none of them can wrap a reply, and a `timeout()` does not end a capture.
 *
 * The interceptors of the module's options come after this one, and see the capture as it is.
 */
@Injectable()
export class ReplyInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<undefined> {
    const http = context.switchToHttp();
    const request = routedRequest(http.getRequest())!; // the guard has seen to that
    const response = takeOver(http.getResponse<object>());
    if (request.routes.options.writeTimeout === 0) liftIdleTimeout(response);
    void reply(request, context, next, response);
    return of(undefined);
  }
}

/** For this reply: Node sets it anew for the next request. (Fastify's `inject` insists on the function.) */
function liftIdleTimeout(response: ServerResponse): void {
  response.setTimeout(0, () => {});
}

async function reply(
  request: RoutedRequest,
  context: ExecutionContext,
  next: CallHandler,
  response: ServerResponse,
): Promise<void> {
  const { name, routes, target } = request;
  const write = (result: PprofReply): void => {
    if (routes.closing && !response.headersSent) response.setHeader('connection', 'close');
    writeReply(response, result);
  };
  try {
    const endpoint = endpointOf(context.getClass());
    // A router may be more lenient than Go, for requests that came past the server's first listener.
    if (endpoint && !(target.kind === 'name' && name === endpoint.name)) throw goException('unknownProfile');
    const result = await lastValueFrom(throughInterceptors(request, context, next), {
      defaultValue: undefined,
    });
    write(toReply(result, name));
  } catch (error) {
    write(replyOf(error)); // also where a user's endpoint returned what no response can be
  }
}

function throughInterceptors(
  { routes }: RoutedRequest,
  context: ExecutionContext,
  next: CallHandler,
): Observable<unknown> {
  return routes.interceptors
    .reduceRight<CallHandler>(
      (inner, interceptor) => ({
        handle: () =>
          defer(() =>
            from(Promise.resolve(interceptor(context)).then((it) => it.intercept(context, inner))),
          ).pipe(mergeAll()),
      }),
      next,
    )
    .handle();
}
