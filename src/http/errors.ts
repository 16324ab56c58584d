import { HttpException } from '@nestjs/common';

/** Go's texts, each with its status: the contract that clients print and match. */
export const GO_ERRORS = {
  unknownProfile: [404, 'Unknown profile'],
  badEscape: [400, 'invalid URL escape'],
  writeTimeout: [400, "profile duration exceeds server's WriteTimeout"],
  deltaSeconds: [400, 'invalid value for "seconds" - must be a positive integer'],
  deltaAndDebug: [400, 'seconds and debug params are incompatible'],
  methodNotAllowed: [405, 'Method Not Allowed'],
} as const satisfies Record<string, readonly [status: number, message: string]>;

/** An exception with one of Go's texts. */
export function goException(which: keyof typeof GO_ERRORS): HttpException {
  const [status, message] = GO_ERRORS[which];
  return new HttpException(message, status);
}

/** While another CPU capture runs, or when the sampler does not start. */
export function cannotStart(reason: string): HttpException {
  return new HttpException(`Could not enable CPU profiling: ${reason}`, 500);
}

/** Beyond the option `maxSeconds`. */
export function tooLong(maxSeconds: number): HttpException {
  return new HttpException(`seconds exceeds the maximum of ${maxSeconds}`, 400);
}

/** For parameters that are ours and not Go's. */
export function badValue(parameter: string, takes: string): HttpException {
  return new HttpException(`invalid value for "${parameter}" - must be ${takes}`, 400);
}

/** What is planned and not there yet. */
export function notImplemented(what: string): HttpException {
  return new HttpException(`${what} is not implemented yet`, 501);
}
