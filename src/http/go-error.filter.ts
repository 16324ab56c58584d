import { type ArgumentsHost, Catch, type ExceptionFilter, Logger } from '@nestjs/common';
import { ProfilerArgumentError, ProfilerBusyError } from '../profiling/errors.js';
import { goError, type PprofAnswer } from './answer.js';
import { cannotStart } from './errors.js';
import { takeOver, writeAnswer } from './response.js';

const logger = new Logger('PprofModule');

/**
 * Makes every exception before or around an endpoint an answer as Go's: those of guards (the application's global ones
 * too) keep their status. As the controller's own filter it comes before the application's.
 */
@Catch()
export class GoErrorFilter implements ExceptionFilter {
  catch(exception: unknown, host: ArgumentsHost): void {
    writeAnswer(takeOver(host.switchToHttp().getResponse<object>()), answerOf(exception));
  }
}

/** Every error as an answer: the one place where errors of the domain become HTTP. It never throws. */
export function answerOf(error: unknown): PprofAnswer {
  try {
    if (carriesStatus(error)) return goError(statusOf(error), messageOf(error));
    if (error instanceof ProfilerBusyError) return answerOf(cannotStart(error.message));
    if (error instanceof ProfilerArgumentError) return goError(400, error.message);
    logger.error(error instanceof Error ? (error.stack ?? error.message) : error);
  } catch (failure) {
    logger.error(failure); // an exception may be anything, and what it says of itself may throw
  }
  return goError(500, 'Internal Server Error');
}

/** What is used of Nest's HttpException; there may be more than one copy of its class. */
interface StatusCarrier extends Error {
  getStatus(): number;
  getResponse?(): unknown;
}

function carriesStatus(error: unknown): error is StatusCarrier {
  return error instanceof Error && typeof (error as Partial<StatusCarrier>).getStatus === 'function';
}

/** A status that HTTP does not know fails when it is written. */
function statusOf(error: StatusCarrier): number {
  const status = error.getStatus();
  return Number.isInteger(status) && status >= 300 && status <= 599 ? status : 500;
}

/** Nest puts a list of messages into the response only. */
function messageOf(error: StatusCarrier): string {
  const { message } = Object(error.getResponse?.()) as { message?: unknown };
  return Array.isArray(message) ? message.join(', ') : error.message;
}
