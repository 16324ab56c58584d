/** What the index says of each endpoint, in Node's terms. */
export const DESCRIPTIONS = {
  cmdline:
    'The command line of this process, its parts separated by NUL. What looks like a secret is left out.',
  heap: 'What is alive on the JavaScript heap, by the stack that allocated it, and memory outside of it. Add gc=1 to collect garbage first.',
  profile:
    'What the CPU executes, sampled for a while: 30 seconds, or as many as seconds= says. hz= sets the samples per second.',
} as const;

/** Endpoints of Go's that are still to come. */
export const PLANNED: ReadonlySet<string> = new Set([
  'allocs',
  'block',
  'goroutine',
  'goroutineleak',
  'mutex',
  'symbol',
  'symbolz',
  'threadcreate',
  'trace',
]);
