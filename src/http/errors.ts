import { HttpException } from '@nestjs/common';

/** Go's texts, each with its status: the contract that clients print and match. */
const GO_ERRORS = {
  unknownProfile: [404, 'Unknown profile'],
  badEscape: [400, 'invalid URL escape'],
  writeTimeout: [400, "profile duration exceeds server's WriteTimeout"],
  deltaSeconds: [400, 'invalid value for "seconds" - must be a positive integer'],
  deltaUnsupported: [400, '"seconds" parameter is not supported for this profile type'],
  deltaAndDebug: [400, 'seconds and debug params are incompatible'],
  bodyTooLarge: [413, 'Request Entity Too Large'],
} as const satisfies Record<string, readonly [status: number, message: string]>;

/** An exception with one of Go's texts. */
export function goException(which: keyof typeof GO_ERRORS): HttpException {
  const [status, message] = GO_ERRORS[which];
  return new HttpException(message, status);
}

/** Beyond the option `maxSeconds`. */
export function tooLong(maxSeconds: number): HttpException {
  return new HttpException(`seconds exceeds the maximum of ${maxSeconds}`, 400);
}

/** For parameters that are ours and not Go's. */
export function badValue(parameter: string, takes: string): HttpException {
  return new HttpException(`invalid value for "${parameter}" - must be ${takes}`, 400);
}
