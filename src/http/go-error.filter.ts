import { type ArgumentsHost, Catch, type ExceptionFilter, Logger } from '@nestjs/common';
import { ProfilerBusyError } from '../profiling/errors.js';
import { goError, type PprofAnswer, takeOver, writeAnswer } from './answer.js';

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

/** What is known of an exception of Nest's; there may be more than one copy of its class. */
interface StatusCarrier {
  getStatus(): number;
  readonly message: string;
}

/** Every error as an answer: the one place where errors of the domain become HTTP. */
export function answerOf(error: unknown): PprofAnswer {
  if (carriesStatus(error)) return goError(statusOf(error), error.message);
  if (error instanceof ProfilerBusyError)
    return goError(500, `Could not enable CPU profiling: ${error.message}`);
  new Logger('PprofModule').error(error instanceof Error ? (error.stack ?? error.message) : error);
  return goError(500, 'Internal Server Error');
}

/** An exception may carry anything; a status that HTTP does not know takes the process down when it is written. */
function statusOf(error: StatusCarrier): number {
  const status = error.getStatus();
  return Number.isInteger(status) && status >= 300 && status <= 599 ? status : 500;
}

function carriesStatus(error: unknown): error is StatusCarrier {
  return error instanceof Error && typeof (error as Partial<StatusCarrier>).getStatus === 'function';
}
