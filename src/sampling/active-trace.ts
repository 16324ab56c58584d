import { perProcess } from './process-state.js';

/** Does a part of some work. */
export type Run = <T>(part: () => T) => T;

/** A region that has begun. */
export interface OpenRegion {
  end(): void;
}

/** A task that has begun. To end it again, or when the trace is over, does nothing. */
export interface OpenTask {
  /** Makes it the task of a function and of all that this starts: of its regions, logs and tasks. Any number of times, also when it has ended. */
  run<T>(work: () => T): T;
  end(): void;
}

/** Where annotations go while a trace is recorded. */
export interface ActiveTrace {
  /** Begins a region in what executes now. */
  startRegion(name: string): OpenRegion;
  /**
   * Does work in a region. It may wait, also beside other regions of its caller: then it is an execution of its own.
   *
   * @param work called with what ends the region, also if it throws; to end it again, or when the trace is over, does nothing. And with
   * what does a part of it later, from elsewhere, such as a subscription: what that starts is in the region, too
   * @returns what work returns, also if that is a promise: the same one
   */
  inRegion<T>(name: string, work: (end: () => void, run: Run) => T): T;
  /** Begins a task below the one that is current now. */
  newTask(name: string): OpenTask;
  /** Notes something for the current task. */
  log(key: string, value: string): void;
}

interface Holder {
  trace: ActiveTrace | undefined;
}

const holder = perProcess<Holder>('active-trace', () => ({ trace: undefined }));

/** The trace that is recorded now. */
export function activeTrace(): ActiveTrace | undefined {
  return holder.trace;
}

/** @param trace undefined when it has ended */
export function setActiveTrace(trace: ActiveTrace | undefined): void {
  holder.trace = trace;
}
