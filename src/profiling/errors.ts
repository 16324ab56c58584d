import { reasonOf } from '../sampling/reason.js';

/** What goes wrong in profiling, without a word of HTTP in it. */
export abstract class ProfilerError extends Error {
  override get name(): string {
    return this.constructor.name;
  }
}

/** A capture of that kind runs already: one of ours, in code or over HTTP, or someone else's with the same package. */
export class ProfilerBusyError extends ProfilerError {
  constructor(
    readonly profile: 'profile' | 'trace' | 'heapsnapshot',
    options?: ErrorOptions,
  ) {
    super(BUSY[profile], options);
  }
}

/** Go's texts, and one of their kind. */
const BUSY = {
  profile: 'cpu profiling already in use',
  trace: 'execution tracer already enabled',
  heapsnapshot: 'heap snapshot already in use',
};

/** This process cannot take a profile: the message says why, and what helps. */
export class ProfilerUnavailableError extends ProfilerError {
  /** @param profile its name */
  constructor(
    readonly profile: 'profile' | 'allocs' | 'heapsnapshot',
    cause: unknown,
  ) {
    super(reasonOf(cause), { cause });
  }
}

/** `stopCpuProfile` without a `startCpuProfile`, or `stop` of a tracer that was not started. */
export class ProfilerNotStartedError extends ProfilerError {
  constructor(what: 'cpu profiling' | 'the execution tracer') {
    super(`${what} is not started`);
  }
}

/** A number is outside of what the method takes. */
export class ProfilerArgumentError extends ProfilerError {}

/** A capture was given up, or the application shut down, before there was a result. The cause is the signal's reason. */
export class ProfilerCanceledError extends ProfilerError {
  /** Whether a time limit ended it, such as `AbortSignal.timeout()`. */
  readonly isDeadline: boolean;

  constructor(reason?: unknown) {
    const isDeadline = (reason as Partial<Error> | undefined)?.name === 'TimeoutError';
    super(isDeadline ? 'context deadline exceeded' : 'context canceled', { cause: reason });
    this.isDeadline = isDeadline;
  }
}

/** Reading a profile for a window failed: the cause says why. */
export class ProfilerCollectError extends ProfilerError {
  constructor(cause: unknown) {
    super('failed to collect profile', { cause });
  }
}
