import { hostname } from 'node:os';

/** What each profile says of itself; `go tool pprof -comments` prints it. */
export function comments(...about: string[]): string[] {
  return [
    ...about,
    `node ${process.version}, V8 ${process.versions.v8}, ${process.platform} ${process.arch}`,
    `host ${hostname()}, pid ${process.pid}`,
  ];
}

/** Now, as a profile's `time_nanos`. */
export function nowNanos(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}
