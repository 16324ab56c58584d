/** What the index says of each endpoint, in Node's terms. */
export const DESCRIPTIONS = {
  allocs:
    'What was allocated since the start, by the stack that allocated it, as far as V8 remembers. With seconds=N: all that is allocated in that time, dead or alive.',
  block:
    'Where executions have waited, at an await or for a callback, and for how long. A wait counts once, at the stack that began it.',
  cmdline:
    'The command line of this process, its parts separated by NUL. What looks like a secret is left out.',
  goroutine:
    'What is under way: pending awaits by the line and the route, requests, timers and sockets that are active, and what each thread does now.',
  goroutineleak:
    'What can never go on: awaits of promises that nothing can resolve. Reading it collects garbage.',
  heap: 'What is alive on the JavaScript heap, by the stack that allocated it, and memory outside of it. Add gc=1 to collect garbage first.',
  mutex:
    'What held the event loop, and how long that kept others waiting: a long function, or many short callbacks in a row.',
  profile:
    'What the CPU executes, sampled for a while: 30 seconds, or as many as seconds= says. hz= sets the samples per second.',
  symbol:
    'The names of functions by their addresses, for readers of the text forms: in the query, or in the body of a POST.',
  threadcreate: 'The stacks that have created worker threads, and the native threads of the process by name.',
  trace:
    'What the process does for a while, for go tool trace: requests and other executions, their parts, what they wait for, and collections of garbage. 1 second, or as many as seconds= says.',
} as const;
