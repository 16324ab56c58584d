import { finalize, isObservable, Observable, tap } from 'rxjs';
import { activeTrace, type Run } from '../../sampling/active-trace.js';
import { type AnyFunction, replace } from '../../sampling/replace.js';

type AnyGenerator = Generator | AsyncGenerator;

const atOnce: Run = (work) => work();

/**
 * Does work in a region of the trace that is recorded now, if one is. The region ends when the result is over. A generator has a
 * region for each step instead: between them others run.
 *
 * @param over how to see that, by default {@link whenOver}
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
 * Does work as a task of the trace that is recorded now, if one is. The task ends when the result is over, see {@link whenOver}.
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

/** Has each step of a generator in a region. */
export function stepsInRegion<G extends AnyGenerator>(name: string, generator: G): G {
  return stepped(generator, (step) => inRegion(name, step));
}

/**
 * Calls a function when a result is over: when a promise settles (and what it resolves to is over), a query is done whose `then()` runs
 * it, an observable completes, fails or is unsubscribed, or a generator finishes. All else is over at once, also a promise with
 * properties of its own, and an observable of another class such as a Subject: what stands in for them would not have all they have.
 *
 * @param over may be called more than once
 * @param run does what the result does later: a subscription, a step of a generator
 * @returns what to pass on in place of the result: it behaves the same
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
 * @param then called with what it resolves to
 * @returns a promise of what that returns; if nobody handles its rejection, then that stays unhandled
 */
export function whenSettled<T>(promise: Promise<T>, over: () => void, then: (value: T) => T): Promise<T> {
  return promise.then(then, (error: unknown) => {
    over();
    throw error;
  });
}

/**
 * Calls a function when what is asked by `then()` is settled. It is the same object: a query may still be added to, and must be
 * run no sooner and no more than once.
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

/** Calls a function before an observable passes on its end, or when it is unsubscribed. */
export function whenEnded<T>(source: Observable<T>, over: () => void, run = atOnce): Observable<T> {
  // `lift` keeps the source's class: Nest 11 only knows Observable of its own copy of RxJS.
  const lifted = source.lift<T>({
    call: (subscriber, from: Observable<T>) => run(() => from.subscribe(subscriber)),
  });
  return lifted.pipe(tap({ error: over, complete: over }), finalize(over));
}

/** Calls a function, and another one if that throws. */
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
  // Iterates itself, and is of the same class.
  return Object.create(generator, { next: step('next'), return: step('return'), throw: step('throw') }) as G;
}

const same: AnyFunction = (value) => value;
const raise: AnyFunction = (error) => {
  throw error;
};

/** With a `then()`, but no promise of the language's own: `await` would not call that. */
function isQuery<T>(result: T): result is T & object {
  const { then, constructor } = (result ?? {}) as { readonly then?: unknown; readonly constructor?: unknown };
  return typeof then === 'function' && constructor !== Promise && Object.isExtensible(result);
}

function isPlainPromise(result: unknown): result is Promise<unknown> {
  return result instanceof Promise && result.constructor === Promise && Object.keys(result).length === 0;
}

/** Of a generator function, or one of ours, that stands in for it. */
function isGenerator<T>(result: T): result is T & AnyGenerator {
  const tag = (result as { readonly [Symbol.toStringTag]?: unknown } | null | undefined)?.[
    Symbol.toStringTag
  ];
  return tag === 'Generator' || tag === 'AsyncGenerator';
}
