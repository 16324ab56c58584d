import { types } from 'node:util';
import { processState } from '../sampling/process-state.js';
import type { TraceRun } from './trace-run.js';

/** A task that was begun by `newTask`. */
export interface RunningTask {
  /** Ends it; a second time nothing happens. */
  end(): void;
}

/** A region that was begun by `startRegion`. */
export interface RunningRegion {
  /** Ends it; a second time nothing happens. */
  end(): void;
}

/** What there is while nothing is traced. */
const NOTHING: RunningTask & RunningRegion = { end() {} };

/*
 * What is given for a name or a text is made one: `tracer.log('user', user?.id)` may give undefined, whatever its type says.
 */

/** The trace under way, of whichever copy of this package. */
export function currentTrace(): TraceRun | undefined {
  const { trace } = processState() as { trace: TraceRun | undefined };
  return trace?.over.signal.aborted === false ? trace : undefined;
}

export function newTask(name: string): RunningTask {
  const trace = currentTrace();
  if (!trace) return NOTHING;
  const before = trace.context.task;
  const task = trace.taskBegins(String(name));
  trace.enterTask(task);
  return once(() => {
    trace.taskEnds(task);
    if (trace.context.task === task) trace.enterTask(before);
  });
}

export function log(key: string, text: string): void {
  currentTrace()?.say(String(key), String(text));
}

/** @param above the function whose caller begins it */
export function startRegion(name: string, above: (...args: never[]) => unknown): RunningRegion {
  const trace = currentTrace();
  if (!trace) return NOTHING;
  const region = trace.region();
  region.begin(String(name), trace.now(), trace.stackAbove(above));
  region.enter();
  return region;
}

export function withRegion<T>(name: string, work: () => T): T {
  const trace = currentTrace();
  if (!trace) return work();
  const region = trace.region();
  region.begin(String(name), trace.now(), trace.stackAbove(withRegion));
  const within: Within = (step) => region.within(step);
  return within(() => lasting(work, () => region.end(), within));
}

export function withTask<T>(name: string, work: () => T): T {
  const trace = currentTrace();
  if (!trace) return work();
  const task = trace.taskBegins(String(name));
  const inTask: Within = (step) => trace.inTask(task, step);
  return inTask(() => lasting(work, () => trace.taskEnds(task), inTask));
}

type Within = <T>(step: () => T) => T;

/**
 * Calls a function, and tells when what it returned is over: a promise, or a generator.
 *
 * @param within calls each step of a generator
 */
function lasting<T>(work: () => T, end: () => void, within: Within = (step) => step()): T {
  let result: T;
  try {
    result = work();
  } catch (error) {
    end();
    throw error;
  }
  if (types.isPromise(result)) {
    void result.then(end, end);
    return result;
  }
  const kind = Object.prototype.toString.call(result);
  if (kind === '[object Generator]') return lastingGenerator(result as Generator, end, within) as T;
  if (kind === '[object AsyncGenerator]')
    return lastingAsyncGenerator(result as AsyncGenerator, end, within) as T;
  end();
  return result;
}

const STEPS = ['next', 'return', 'throw'] as const;

/** Ends with its last step, whichever way that comes. */
function lastingGenerator(generator: Generator, end: () => void, within: Within): Generator {
  const wrapped = Object.create(generator) as Generator;
  for (const step of STEPS) {
    wrapped[step] = (...args: [unknown]) => {
      try {
        const result = within(() => generator[step](...args));
        if (result.done) end();
        return result;
      } catch (error) {
        end();
        throw error;
      }
    };
  }
  return wrapped;
}

function lastingAsyncGenerator(generator: AsyncGenerator, end: () => void, within: Within): AsyncGenerator {
  const wrapped = Object.create(generator) as AsyncGenerator;
  for (const step of STEPS) {
    wrapped[step] = (...args: [unknown]) => {
      const result = within(() => generator[step](...args));
      result.then(({ done }) => done && end(), end);
      return result;
    };
  }
  return wrapped;
}

function once(end: () => void): { end(): void } {
  let hasEnded = false;
  return {
    end() {
      if (hasEnded) return;
      hasEnded = true;
      end();
    },
  };
}
