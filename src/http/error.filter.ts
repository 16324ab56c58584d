import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';
import { replyOf } from './go-errors.js';
import { type PprofReply, takeOver, writeReply } from './reply.js';
import { routedRequest } from './request.js';

/**
 * Turns every exception before an endpoint into a reply like Go's: those of guards (the application's global ones too) keep
 * their status. As the controller's own filter it comes before the application's.
 */
@Catch()
export class GoErrorFilter implements ExceptionFilter {
  catch(exception: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const reply = replyToRefused(http.getRequest(), exception);
    writeReply(takeOver(http.getResponse<object>()), reply);
  }
}

/** The reply to a request that has not reached its endpoint. */
export function replyToRefused(request: object, error: unknown): PprofReply {
  const routed = routedRequest(request);
  const reply = replyOf(error, routed ?? { name: 'a request', peer: 'an unknown address' });
  if (routed) routed.routes.refusals.note(routed, reply);
  return reply;
}
