import { activeTrace } from '../../sampling/active-trace.js';
import { inRegion, inTask, stepsInRegion } from './when-over.js';

type Method = (this: never, ...args: never[]) => unknown;

/** A decorator for methods, including static ones. */
export type TraceDecorator = <T extends (this: never, ...args: never[]) => unknown>(
  target: object,
  key: string | symbol,
  descriptor: TypedPropertyDescriptor<T>,
) => void;

/** Runs a call of a method with an annotation. */
type Annotate = <T>(name: string, call: () => T) => T;

/**
 * Records each call of a method as a user task in the execution trace. Regions, log messages and tasks of everything that the call
 * starts belong to it. The task ends when the method returns; if it returns a promise, when that settles; if an observable, when
 * that completes, fails or is unsubscribed; if a generator, when that finishes.
 *
 * While no trace is being recorded, the method is called without any annotation.
 *
 * @param name name of the task; defaults to `Class.method`
 * @publicApi
 */
export function TraceTask(name?: string): TraceDecorator {
  return annotated(name, () => inTask);
}

/**
 * Records each call of a method as a region in the execution trace. It ends like a task of {@link TraceTask}, except that a generator
 * gets one region per step, since its consumer runs in between.
 *
 * While no trace is being recorded, the method is called without any annotation.
 *
 * @param name name of the region; defaults to `Class.method`
 * @publicApi
 */
export function TraceRegion(name?: string): TraceDecorator {
  return annotated(name, (method) => (isGeneratorFunction(method) ? generatorInRegion : inRegion));
}

const generatorInRegion: Annotate = (name, call) => stepsInRegion(name, call() as Generator) as never;

/** Also true for a decorated generator function. */
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
    // Not an arrow function: V8 would allocate a context on each call of the method.
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
