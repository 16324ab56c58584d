/** What goes wrong in profiling, without a word of HTTP in it. */
export abstract class ProfilerError extends Error {
  override get name(): string {
    return this.constructor.name;
  }
}

/** A CPU capture runs already: one of ours, in code or over HTTP, or someone else's with the same package. */
export class ProfilerBusyError extends ProfilerError {
  constructor(options?: ErrorOptions) {
    super('cpu profiling already in use', options);
  }
}

/** An execution trace is under way: there is one at a time in a process. */
export class TracerBusyError extends ProfilerError {
  constructor(options?: ErrorOptions) {
    super('execution tracer already enabled', options);
  }
}

/** `stopCpuProfile` without a `startCpuProfile`. */
export class ProfilerNotStartedError extends ProfilerError {
  constructor() {
    super('cpu profiling is not started');
  }
}

/** Somebody gave up, or the application shuts down, before there was a result. The cause is the signal's reason. */
export class ProfilerCanceledError extends ProfilerError {
  constructor(reason?: unknown) {
    const isDeadline = (reason as Partial<Error> | undefined)?.name === 'TimeoutError';
    super(isDeadline ? 'context deadline exceeded' : 'context canceled', { cause: reason });
    this.isDeadline = isDeadline;
  }

  /** Time was up, as with `AbortSignal.timeout()`. */
  readonly isDeadline: boolean;
}

/** A profile that has no windows of time. */
export class UnsupportedWindowError extends ProfilerError {
  constructor(name: string) {
    super(`the profile ${name} has no windows`);
  }
}

/** A number is outside of what the method takes. */
export class ProfilerArgumentError extends ProfilerError {}
