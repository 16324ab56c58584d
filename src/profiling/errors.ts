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

/** `stopCpuProfile` without a `startCpuProfile`. */
export class ProfilerNotStartedError extends ProfilerError {
  constructor() {
    super('cpu profiling is not started');
  }
}

/** A number is outside of what the method takes. */
export class ProfilerArgumentError extends ProfilerError {}
