import { inspect } from 'node:util';
import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Logger } from '@nestjs/common';
import {
  ProfilerArgumentError,
  ProfilerBusyError,
  ProfilerCanceledError,
  ProfilerCollectError,
  ProfilerUnavailableError,
} from '../profiling/errors.js';
import { goError, type PprofReply, takeOver, writeReply } from './reply.js';

/** Go's error texts with their status. Clients print them and match on them. */
export const GO_ERRORS = {
  unknownProfile: [404, 'Unknown profile'],
  badEscape: [400, 'invalid URL escape'],
  writeTimeout: [400, "profile duration exceeds server's WriteTimeout"],
  deltaSeconds: [400, 'invalid value for "seconds" - must be a positive integer'],
  deltaUnsupported: [400, '"seconds" parameter is not supported for this profile type'],
  deltaAndDebug: [400, 'seconds and debug params are incompatible'],
  bodyTooLarge: [413, 'Request Entity Too Large'],
  methodNotAllowed: [405, 'Method Not Allowed'],
} as const satisfies Record<string, readonly [status: number, message: string]>;

/** An exception with one of Go's texts. */
export function goException(which: keyof typeof GO_ERRORS): HttpException {
  const [status, message] = GO_ERRORS[which];
  return new HttpException(message, status);
}

/** Another capture of that kind is running, or the capture does not start. */
export function cannotStart(what: 'CPU profiling' | 'tracing', reason: string): HttpException {
  return new HttpException(`Could not enable ${what}: ${reason}`, 500);
}

/** The capture would exceed the option `maxSeconds`. */
export function tooLong(maxSeconds: number): HttpException {
  return new HttpException(`seconds exceeds the maximum of ${maxSeconds}`, 400);
}

/** An invalid parameter that Go does not have. */
export function badValue(parameter: string, takes: string): HttpException {
  return new HttpException(`invalid value for "${parameter}" - must be ${takes}`, 400);
}

/** Two parameters that exclude each other. */
export function incompatible(one: string, other: string): HttpException {
  return new HttpException(`${one} and ${other} params are incompatible`, 400);
}

const logger = new Logger('PprofModule');

/**
 * Turns every exception thrown before or around an endpoint into a reply in Go's format. Exceptions of guards, including the
 * application's global ones, keep their status. A controller's filter runs before the application's.
 */
@Catch()
export class GoErrorFilter implements ExceptionFilter {
  catch(exception: unknown, host: ArgumentsHost): void {
    writeReply(takeOver(host.switchToHttp().getResponse<object>()), replyOf(exception));
  }
}

/** Converts any error to a reply; never throws. */
export function replyOf(error: unknown): PprofReply {
  try {
    if (carriesStatus(error)) return goError(statusOf(error), messageOf(error));
    if (error instanceof ProfilerBusyError)
      return replyOf(cannotStart(STARTED[error.profile], error.message));
    if (error instanceof ProfilerUnavailableError) return unavailable(error);
    if (error instanceof ProfilerArgumentError) return goError(400, error.message);
    if (error instanceof ProfilerCanceledError) return goError(error.isDeadline ? 408 : 500, error.message);
    if (error instanceof ProfilerCollectError && error.cause instanceof ProfilerUnavailableError)
      return unavailable(error.cause);
    logger.error(inspect(error)); // with its causes
    if (error instanceof ProfilerCollectError) return goError(500, error.message);
  } catch (failure) {
    logger.error(failure); // the thrown value may be anything, and its getters may throw
  }
  return goError(500, 'Internal Server Error');
}

const STARTED = { profile: 'CPU profiling', trace: 'tracing' } as const;

function unavailable({ profile, message }: ProfilerUnavailableError): PprofReply {
  return profile === 'profile'
    ? replyOf(cannotStart('CPU profiling', message))
    : goError(500, `${profile} is not available: ${message}`);
}

/** The used part of Nest's HttpException. No `instanceof`, since there may be more than one copy of the class. */
interface StatusCarrier extends Error {
  getStatus(): number;
  getResponse?(): unknown;
}

function carriesStatus(error: unknown): error is StatusCarrier {
  return error instanceof Error && typeof (error as Partial<StatusCarrier>).getStatus === 'function';
}

/** Node throws when an invalid status is written. */
function statusOf(error: StatusCarrier): number {
  const status = error.getStatus();
  return Number.isInteger(status) && status >= 300 && status <= 599 ? status : 500;
}

/** If there are several messages, Nest puts the list into the response only. */
function messageOf(error: StatusCarrier): string {
  const { message } = Object(error.getResponse?.()) as { message?: unknown };
  return Array.isArray(message) ? message.join(', ') : error.message;
}
