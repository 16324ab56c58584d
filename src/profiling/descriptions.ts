/** What the index says of each endpoint, in Node's terms. */
export const DESCRIPTIONS = {
  allocs:
    'What was allocated since the start, by the stack that allocated it, as far as V8 remembers. With seconds=N: all that is allocated in that time, dead or alive.',
  cmdline:
    'The command line of this process, its parts separated by NUL. What looks like a secret is left out.',
  heap: 'What is alive on the JavaScript heap, by the stack that allocated it, and memory outside of it. Add gc=1 to collect garbage first.',
  profile:
    'What the CPU executes, sampled for a while: 30 seconds, or as many as seconds= says. hz= sets the samples per second.',
  symbol:
    'The names of functions by their addresses, for readers of the text forms: in the query, or in the body of a POST.',
} as const;
