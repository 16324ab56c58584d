import type { ServerResponse } from 'node:http';
import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import { defer, finalize, from, lastValueFrom, mergeAll, type Observable, of, tap } from 'rxjs';
import { replyOf } from './go-errors.js';
import {
  abandon,
  endConnection,
  type PprofReply,
  type StreamedReply,
  takeOver,
  toReply,
  writeReply,
} from './reply.js';
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
  const { name, routes } = request;
  const write = (result: PprofReply | StreamedReply): void => {
    if (routes.closing) endConnection(response);
    writeReply(response, result);
  };
  try {
    // A router may lead elsewhere than Go would: it is more lenient, or the endpoint is switched off.
    const isRight = routes.controllerFor(request) === context.getClass();
    const endpoint = isRight ? next : { handle: () => defer(() => routes.serve(context.getArgByIndex(0))) };
    const result = await lastValueFrom(throughInterceptors(request, context, awaited(endpoint, response)), {
      defaultValue: undefined,
    });
    write(toReply(result, name));
  } catch (error) {
    write(replyOf(error, request)); // also where a user's endpoint returned what no response can be
  }
}

/** The endpoint; an interceptor that does not wait for it any more, as one with a timeout, ends its capture. */
function awaited(next: CallHandler, response: ServerResponse): CallHandler {
  return {
    handle: () =>
      defer(() => {
        let isOver = false;
        const over = (): boolean => (isOver = true);
        return next.handle().pipe(
          tap({ next: over, complete: over, error: over }),
          finalize(() => {
            if (!isOver) abandon(response, 'an interceptor ended the request');
          }),
        );
      }),
  };
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
