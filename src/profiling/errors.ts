import { reasonOf } from '../sampling/reason.js';

/** Base class of errors of profiling; independent of HTTP. */
export abstract class ProfilerError extends Error {
  override get name(): string {
    return this.constructor.name;
  }
}

/** A capture of that kind is already running: in code, over HTTP, or by other code that uses the same package. */
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

/** This process cannot take a profile. The message gives the reason, and the fix if there is one. */
export class ProfilerUnavailableError extends ProfilerError {
  /** @param profile name of the profile */
  constructor(
    readonly profile: 'profile' | 'allocs' | 'heapsnapshot',
    cause: unknown,
  ) {
    super(reasonOf(cause), { cause });
  }
}

/** `stopCpuProfile()` was called without `startCpuProfile()`, or `stop()` on a tracer that was not started. */
export class ProfilerNotStartedError extends ProfilerError {
  constructor(what: 'cpu profiling' | 'the execution tracer') {
    super(`${what} is not started`);
  }
}

/** An argument or an option of a method is invalid. */
export class ProfilerArgumentError extends ProfilerError {}

/** A capture was aborted, or the application shut down, before there was a result. `cause` is the signal's reason. */
export class ProfilerCanceledError extends ProfilerError {
  /** Whether it was aborted by a time limit, such as `AbortSignal.timeout()`. */
  readonly isDeadline: boolean;

  constructor(reason?: unknown) {
    const isDeadline = (reason as Partial<Error> | undefined)?.name === 'TimeoutError';
    super(isDeadline ? 'context deadline exceeded' : 'context canceled', { cause: reason });
    this.isDeadline = isDeadline;
  }
}

/** A profile could not be read. `cause` is the reason. */
export class ProfilerCollectError extends ProfilerError {
  constructor(cause: unknown) {
    super('failed to collect profile', { cause });
  }
}

/** Causes that a log line names. */
const CAUSES = 5;

/** What an error and its causes say, in one line. */
export function causesOf(error: unknown): string {
  const reasons = [reasonOf(error)];
  for (let cause = causeOf(error); cause !== undefined && reasons.length < CAUSES; cause = causeOf(cause))
    reasons.push(reasonOf(cause));
  return reasons.join(': ');
}

function causeOf(error: unknown): unknown {
  return (Object(error) as { cause?: unknown }).cause;
}
