import { finalize, isObservable, Observable, tap } from 'rxjs';
import { activeTrace, type Run } from '../../sampling/active-trace.js';
import { type AnyFunction, replace } from '../../sampling/replace.js';

type AnyGenerator = Generator | AsyncGenerator;

const atOnce: Run = (work) => work();

/**
 * Runs work in a region, if a trace is being recorded. The region ends when the result has ended. A generator gets one region per
 * step instead, since other code runs in between.
 *
 * @param over detects the end of the result; defaults to {@link whenOver}
 * @throws what the work throws
 */
export function inRegion<T>(
  name: string,
  work: () => T,
  over: (result: T, end: () => void, run: Run) => T = whenOver,
): T {
  const trace = activeTrace();
  if (!trace) return work();
  return trace.inRegion(name, (end, run) => {
    const result = attempt(work, end);
    if (!isGenerator(result)) return over(result, end, run);
    end();
    return stepsInRegion(name, result);
  });
}

/**
 * Runs work as a task, if a trace is being recorded. The task ends when the result has ended, see {@link whenOver}.
 *
 * @throws what the work throws
 */
export function inTask<T>(name: string, work: () => T): T {
  const task = activeTrace()?.newTask(name);
  if (!task) return work();
  const end = (): void => task.end();
  const run: Run = (part) => task.run(part);
  const result = attempt(() => run(work), end);
  return whenOver(result, end, run);
}

/** Runs each step of a generator in a region. */
export function stepsInRegion<G extends AnyGenerator>(name: string, generator: G): G {
  return stepped(generator, (step) => inRegion(name, step));
}

/**
 * Calls a function when a result has ended: when a promise settles (and its value has ended), when a query settles that runs on
 * `then()`, when an observable completes, fails or is unsubscribed, or when a generator finishes. Everything else ends at once,
 * including promises with additional properties and observables of other classes such as Subject, which can't be replaced by an
 * equivalent object.
 *
 * @param over may be called more than once
 * @param run runs later parts of the result: a subscription, a step of a generator
 * @returns a replacement for the result that behaves the same
 */
export function whenOver<T>(result: T, over: () => void, run = atOnce): T {
  if (isQuery(result)) return whenAsked(result, over);
  if (isPlainPromise(result)) return whenSettled(result, over, (value) => whenOver(value, over, run)) as T;
  if (isObservable(result) && result.constructor === Observable) return whenEnded(result, over, run) as T;
  if (isGenerator(result)) return stepped(result, run, over);
  over();
  return result;
}

/**
 * Calls a function when a promise is rejected.
 *
 * @param then called with the resolved value
 * @returns a promise of what `then` returns; an unhandled rejection stays unhandled
 */
export function whenSettled<T>(promise: Promise<T>, over: () => void, then: (value: T) => T): Promise<T> {
  return promise.then(then, (error: unknown) => {
    over();
    throw error;
  });
}

/**
 * Calls a function when a thenable, such as a query, settles. Returns the same object, since a query may still be extended, and must
 * not run earlier or more than once.
 */
function whenAsked<T extends object>(query: T, over: () => void): T {
  const settled =
    (passOn: unknown, otherwise: AnyFunction): AnyFunction =>
    (value) => {
      over();
      return (typeof passOn === 'function' ? (passOn as AnyFunction) : otherwise)(value);
    };
  const restore = replace(query, 'then', (then, [fulfilled, rejected, ...more]) => {
    restore();
    return then([settled(fulfilled, same), settled(rejected, raise), ...more]);
  });
  return query;
}

/** Calls a function before an observable reports its end, or when it is unsubscribed. */
export function whenEnded<T>(source: Observable<T>, over: () => void, run = atOnce): Observable<T> {
  // `lift` keeps the source's class: Nest 11 only knows Observable of its own copy of RxJS.
  const lifted = source.lift<T>({
    call: (subscriber, from: Observable<T>) => run(() => from.subscribe(subscriber)),
  });
  return lifted.pipe(tap({ error: over, complete: over }), finalize(over));
}

/** Runs work, and calls a function if it throws. */
function attempt<T>(work: () => T, failed: () => void): T {
  try {
    return work();
  } catch (error) {
    failed();
    throw error;
  }
}

function stepped<G extends AnyGenerator>(generator: G, run: Run, over = (): void => {}): G {
  const finishing = (step: IteratorResult<unknown>): IteratorResult<unknown> => {
    if (step.done) over();
    return step;
  };
  const step = (name: 'next' | 'return' | 'throw') => ({
    value: (...args: [unknown]) => {
      const result = attempt(() => run(() => generator[name](...args)), over);
      return result instanceof Promise ? whenSettled(result, over, finishing) : finishing(result);
    },
  });
  // An iterator with the same prototype chain.
  return Object.create(generator, { next: step('next'), return: step('return'), throw: step('throw') }) as G;
}

const same: AnyFunction = (value) => value;
const raise: AnyFunction = (error) => {
  throw error;
};

/** A thenable that is not a native promise, whose `then()` `await` would not call. */
function isQuery<T>(result: T): result is T & object {
  const { then, constructor } = (result ?? {}) as { readonly then?: unknown; readonly constructor?: unknown };
  return typeof then === 'function' && constructor !== Promise && Object.isExtensible(result);
}

function isPlainPromise(result: unknown): result is Promise<unknown> {
  return result instanceof Promise && result.constructor === Promise && Object.keys(result).length === 0;
}

/** A generator, or a replacement made by {@link stepped}. */
function isGenerator<T>(result: T): result is T & AnyGenerator {
  const tag = (result as { readonly [Symbol.toStringTag]?: unknown } | null | undefined)?.[
    Symbol.toStringTag
  ];
  return tag === 'Generator' || tag === 'AsyncGenerator';
}
