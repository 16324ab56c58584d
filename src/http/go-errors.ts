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

/** Go's texts, each with its status: the contract that clients print and match. */
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

/** While another capture of that kind runs, or when it does not start. */
export function cannotStart(
  what: 'CPU profiling' | 'tracing' | 'heap snapshots',
  reason: string,
): HttpException {
  return new HttpException(`Could not enable ${what}: ${reason}`, 500);
}

/** Beyond the option `maxSeconds`. */
export function tooLong(maxSeconds: number): HttpException {
  return new HttpException(`seconds exceeds the maximum of ${maxSeconds}`, 400);
}

/** For parameters that are ours and not Go's. */
export function badValue(parameter: string, takes: string): HttpException {
  return new HttpException(`invalid value for "${parameter}" - must be ${takes}`, 400);
}

/** For two parameters that exclude each other. */
export function incompatible(one: string, other: string): HttpException {
  return new HttpException(`${one} and ${other} params are incompatible`, 400);
}

const logger = new Logger('PprofModule');

/**
 * Turns every exception before or around an endpoint into a reply as Go's: those of guards (the application's global ones
 * too) keep their status. As the controller's own filter it comes before the application's.
 */
@Catch()
export class GoErrorFilter implements ExceptionFilter {
  catch(exception: unknown, host: ArgumentsHost): void {
    writeReply(takeOver(host.switchToHttp().getResponse<object>()), replyOf(exception));
  }
}

/** Every error as a reply: the one place where errors of the domain become HTTP. It never throws. */
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
    logger.error(failure); // an exception may be anything, and what it says of itself may throw
  }
  return goError(500, 'Internal Server Error');
}

const STARTED = { profile: 'CPU profiling', trace: 'tracing', heapsnapshot: 'heap snapshots' } as const;

function unavailable({ profile, message }: ProfilerUnavailableError): PprofReply {
  return profile === 'profile'
    ? replyOf(cannotStart('CPU profiling', message))
    : goError(500, `${profile} is not available: ${message}`);
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
