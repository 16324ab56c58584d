/** Endpoints of Go's that are still to come. */
export const PLANNED: ReadonlySet<string> = new Set([
  'block',
  'goroutine',
  'goroutineleak',
  'mutex',
  'threadcreate',
  'trace',
]);
