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
 * Runs an endpoint and writes its reply. To the application's global interceptors the handler returns `undefined` at once, so
 * they can't wrap the reply, and a `timeout()` does not end a capture.
 *
 * The interceptors of the module's options run inside this one and wrap the whole capture.
 */
@Injectable()
export class ReplyInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<undefined> {
    const http = context.switchToHttp();
    const request = routedRequest(http.getRequest())!; // the guard has checked it
    const response = takeOver(http.getResponse<object>());
    if (request.routes.options.writeTimeout === 0) liftIdleTimeout(response);
    void reply(request, context, next, response);
    return of(undefined);
  }
}

/** For this reply only: Node sets the timeout again for the next request. (Fastify's `inject` requires the callback.) */
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
    // The router may have chosen another controller than Go would: it is more lenient, or the endpoint is switched off.
    const isRight = routes.controllerFor(request) === context.getClass();
    const endpoint = isRight ? next : { handle: () => defer(() => routes.serve(context.getArgByIndex(0))) };
    const result = await lastValueFrom(throughInterceptors(request, context, awaited(endpoint, response)), {
      defaultValue: undefined,
    });
    write(toReply(result, name));
  } catch (error) {
    write(replyOf(error, request)); // also if a user's endpoint returned an invalid reply
  }
}

/** The endpoint. If an interceptor stops waiting for it, for example after a timeout, the capture ends. */
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
