import { hostname } from 'node:os';

/**
 * What each profile says of itself; `go tool pprof -comments` prints it.
 *
 * @param given what the user adds: the option `profileComments`
 * @param about what is true of this profile alone
 */
export function comments(given: readonly string[], ...about: readonly string[]): string[] {
  return [
    ...given,
    ...about,
    `node ${process.version}, V8 ${process.versions.v8}, ${process.platform} ${process.arch}`,
    `host ${hostname()}, pid ${process.pid}`,
  ];
}

/** Now, as a profile's `time_nanos`. */
export function nowNanos(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}
