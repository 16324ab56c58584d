import { inspect } from 'node:util';
import { HttpException, Logger } from '@nestjs/common';
import {
  causesOf,
  ProfilerArgumentError,
  ProfilerBusyError,
  ProfilerCanceledError,
  ProfilerCollectError,
  ProfilerUnavailableError,
} from '../profiling/errors.js';
import { goError, type PprofReply } from './reply.js';

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
export function cannotStart(
  what: 'CPU profiling' | 'tracing' | 'heap snapshots',
  reason: string,
): HttpException {
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
 * Converts any error to a reply, and logs an unexpected one; never throws.
 *
 * @param request what the log says about it
 */
export function replyOf(error: unknown, request: FailedRequest): PprofReply {
  try {
    if (carriesStatus(error)) return goError(statusOf(error), messageOf(error));
    if (error instanceof ProfilerBusyError)
      return replyOf(cannotStart(STARTED[error.profile], error.message), request);
    if (error instanceof ProfilerUnavailableError) return unavailable(error, request);
    if (error instanceof ProfilerArgumentError) return goError(400, error.message);
    if (error instanceof ProfilerCanceledError) return goError(error.isDeadline ? 408 : 500, error.message);
    if (error instanceof ProfilerCollectError && error.cause instanceof ProfilerUnavailableError)
      return unavailable(error.cause, request);
    const { name, peer } = request;
    const stacks = error instanceof Error ? inspect(error) : undefined; // and those of its causes
    logger.error(`${name || 'index'} for ${peer}: failed (${causesOf(error)})`, stacks);
    if (error instanceof ProfilerCollectError) return goError(500, error.message);
  } catch (failure) {
    logger.error(failure); // the thrown value may be anything, and its getters may throw
  }
  return goError(500, 'Internal Server Error');
}

/** A request whose handling failed. */
export interface FailedRequest {
  /** The endpoint; empty for the index. */
  readonly name: string;
  readonly peer: string;
}

const STARTED = { profile: 'CPU profiling', trace: 'tracing', heapsnapshot: 'heap snapshots' } as const;

function unavailable({ profile, message }: ProfilerUnavailableError, request: FailedRequest): PprofReply {
  return profile === 'profile'
    ? replyOf(cannotStart('CPU profiling', message), request)
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
