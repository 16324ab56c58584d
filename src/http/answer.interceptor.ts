import type { ServerResponse } from 'node:http';
import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import { defer, from, lastValueFrom, mergeAll, type Observable, of } from 'rxjs';
import { type PprofAnswer, toAnswer } from './answer.js';
import { endpointOf } from './endpoint.js';
import { goException } from './errors.js';
import { type Exchange, exchangeOfContext } from './exchange.js';
import { answerOf } from './go-error.filter.js';
import { takeOver, writeAnswer } from './response.js';

/**
 * Runs an endpoint and writes its answer, out of reach of the application's global interceptors: to them the handler
 * returns at once, with nothing. So none of them can wrap an answer, and a `timeout()` does not end a capture.
 *
 * The interceptors of the module's options come after this one, and see the capture as it is.
 */
@Injectable()
export class AnswerInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<undefined> {
    const exchange = exchangeOfContext(context)!; // PprofGuard has seen to that
    const response = takeOver(context.switchToHttp().getResponse<object>());
    if (exchange.mount.options.writeTimeout === 0) liftIdleTimeout(response);
    void answer(exchange, context, next, response);
    return of(undefined);
  }
}

/** For this answer: Node sets it anew for the next request. (Fastify's `inject` insists on the function.) */
function liftIdleTimeout(response: ServerResponse): void {
  response.setTimeout(0, () => {});
}

async function answer(
  exchange: Exchange,
  context: ExecutionContext,
  next: CallHandler,
  response: ServerResponse,
): Promise<void> {
  const { mount, target } = exchange;
  const write = (result: PprofAnswer): void => {
    if (mount.closing && !response.headersSent) response.setHeader('connection', 'close');
    writeAnswer(response, result);
  };
  try {
    const endpoint = endpointOf(context.getClass());
    // A router may be more lenient than Go, where requests do not come in by the front door.
    if (endpoint && !(target.kind === 'name' && target.name === endpoint.name))
      throw goException('unknownProfile');
    const result = await lastValueFrom(throughInterceptors(exchange, context, next), {
      defaultValue: undefined,
    });
    write(toAnswer(result, endpoint?.name ?? ''));
  } catch (error) {
    write(answerOf(error)); // also where a user's endpoint answered with what no response can be
  }
}

function throughInterceptors(
  { mount }: Exchange,
  context: ExecutionContext,
  next: CallHandler,
): Observable<unknown> {
  return mount.interceptors
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
