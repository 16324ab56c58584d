import { activeTrace } from '../../sampling/active-trace.js';
import { inRegion, inTask, stepsInRegion } from './when-over.js';

type Method = (this: never, ...args: never[]) => unknown;

/** A decorator of methods, static ones included. */
export type TraceDecorator = <T extends (this: never, ...args: never[]) => unknown>(
  target: object,
  key: string | symbol,
  descriptor: TypedPropertyDescriptor<T>,
) => void;

/** Does a call of a method under a name. */
type Annotate = <T>(name: string, call: () => T) => T;

/**
 * Has each call of a method as a user task in the execution traces that are recorded meanwhile, with all that it starts: their
 * regions, logs and tasks belong to it. The task ends when the method returns; if that returns a promise, when it settles; if an
 * observable, when that completes, fails or is unsubscribed; if a generator, when that finishes.
 *
 * While no trace is recorded, the method is just called.
 *
 * @param name defaults to `Class.method`
 * @publicApi
 */
export function TraceTask(name?: string): TraceDecorator {
  return annotated(name, () => inTask);
}

/**
 * Has each call of a method as a region in the execution traces that are recorded meanwhile. It ends as a task of {@link TraceTask}
 * does, but a generator has a region for each step, since its consumer runs in between.
 *
 * While no trace is recorded, the method is just called.
 *
 * @param name defaults to `Class.method`
 * @publicApi
 */
export function TraceRegion(name?: string): TraceDecorator {
  return annotated(name, (method) => (isGeneratorFunction(method) ? generatorInRegion : inRegion));
}

const generatorInRegion: Annotate = (name, call) => stepsInRegion(name, call() as Generator) as never;

/** Or a function that we made of one. */
const isGeneratorFunction = (method: object): boolean =>
  /Generator/.test(Object.prototype.toString.call(method));

function annotated(name: string | undefined, annotateOf: (method: object) => Annotate): TraceDecorator {
  return (target, key, descriptor) => {
    const method = descriptor?.value;
    if (typeof method !== 'function')
      throw new TypeError(
        `${nameOf(target, key)} is not a method: TraceTask and TraceRegion decorate methods only`,
      );
    descriptor.value = sameFrom(method, annotateOf(method), name || nameOf(target, key));
  };
}

function sameFrom<T extends Method>(method: T, annotate: Annotate, name: string): T {
  const annotatedMethod = function (this: never, ...args: never[]): unknown {
    // Bound: for an arrow function, V8 allocates a context whenever the method is called.
    return activeTrace() ? annotate(name, method.bind(this, ...args)) : method.apply(this, args);
  };
  Object.setPrototypeOf(annotatedMethod, Reflect.getPrototypeOf(method));
  Object.defineProperties(annotatedMethod, Object.getOwnPropertyDescriptors(method)); // name and length, among others
  for (const key of Reflect.getOwnMetadataKeys(method) as unknown[])
    Reflect.defineMetadata(key, Reflect.getOwnMetadata(key, method), annotatedMethod);
  return annotatedMethod as T;
}

/** @param key undefined for a class */
function nameOf(target: object, key: string | symbol | undefined): string {
  const { name } = typeof target === 'function' ? target : target.constructor;
  return key === undefined ? name : `${name}.${String(key)}`;
}
