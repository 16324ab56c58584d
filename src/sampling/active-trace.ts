import { perProcess } from './process-state.js';

/** Runs a part of some work. */
export type Run = <T>(part: () => T) => T;

/** A region that has begun. */
export interface OpenRegion {
  /** Ends the region. Does nothing if it, or the trace, has ended. */
  end(): void;
}

/** A task that has begun. */
export interface OpenTask {
  /**
   * Runs a function as part of the task: regions, log messages and child tasks of it and of everything that it starts belong to the
   * task. Can be called any number of times, even after the end.
   */
  run<T>(work: () => T): T;
  /** Ends the task. Does nothing if it, or the trace, has ended. */
  end(): void;
}

/** Receives annotations while a trace is being recorded. */
export interface ActiveTrace {
  /** Begins a region in the running execution. */
  startRegion(name: string): OpenRegion;
  /**
   * Runs work in a region. It may wait concurrently with other regions of its caller; then it gets its own execution.
   *
   * @param work must call `end` when the region ends, even if it throws; further calls do nothing. `run` runs a later part of the
   * work from elsewhere, such as a subscription, so that what it starts is in the region too
   * @returns what `work` returns
   */
  inRegion<T>(name: string, work: (end: () => void, run: Run) => T): T;
  /** Begins a task as a child of the current one. */
  newTask(name: string): OpenTask;
  /** Adds a log message to the current task. */
  log(key: string, value: string): void;
}

interface Holder {
  trace: ActiveTrace | undefined;
}

const holder = perProcess<Holder>('active-trace', () => ({ trace: undefined }));

/** The trace that is being recorded; undefined if none is. */
export function activeTrace(): ActiveTrace | undefined {
  return holder.trace;
}

/** @param trace undefined when it has ended */
export function setActiveTrace(trace: ActiveTrace | undefined): void {
  holder.trace = trace;
}
