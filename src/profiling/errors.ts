/** What goes wrong in profiling, without a word of HTTP in it. */
export abstract class ProfilerError extends Error {
  override get name(): string {
    return this.constructor.name;
  }
}

/** A CPU capture runs already, in code or over HTTP: V8 takes one at a time. */
export class ProfilerBusyError extends ProfilerError {
  constructor() {
    super('cpu profiling already in use');
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
