import 'reflect-metadata';
import { withRegion, withTask } from '../profiling/trace-annotations.js';

type Method = (...args: never[]) => unknown;

/**
 * Each call of the method is a task of an execution trace: from the call until it returns, its promise is settled, or its
 * generator is through. While nothing is traced it costs a function call.
 *
 * @param name of the task
 *
 * @example
 * \@TraceTask('sync orders')
 * async syncOrders() {}
 *
 * @publicApi
 */
export function TraceTask(name?: string): MethodDecorator {
  return traced(withTask, name);
}

/**
 * Each call of the method is a region of the execution that calls it, in an execution trace: from the call until it returns,
 * its promise is settled, or its generator is through. While nothing is traced it costs a function call.
 *
 * @param name of the region; `Class.method` if it is left out
 *
 * @publicApi
 */
export function TraceRegion(name?: string): MethodDecorator {
  return traced(withRegion, name);
}

function traced(
  within: (name: string, work: () => unknown) => unknown,
  given: string | undefined,
): MethodDecorator {
  return (target, key, descriptor) => {
    const method = descriptor.value as Method | undefined;
    const owner = typeof target === 'function' ? target : target.constructor;
    const ofMethod = `${owner.name}.${String(key)}`;
    if (typeof method !== 'function')
      throw new TypeError(`@TraceTask() and @TraceRegion() are for methods, and ${ofMethod} is none`);
    const name = given ?? ofMethod;
    const wrapper = function (this: unknown, ...args: never[]): unknown {
      return within(name, () => method.apply(this, args));
    };
    descriptor.value = likeOriginal(wrapper, method) as never;
  };
}

/** What others have said of the method, such as Nest's decorators, is true of what stands in its place. */
function likeOriginal(wrapper: Method, method: Method): Method {
  for (const key of Reflect.getMetadataKeys(method) as unknown[]) {
    Reflect.defineMetadata(key, Reflect.getMetadata(key, method), wrapper);
  }
  Object.defineProperty(wrapper, 'name', { value: method.name });
  Object.defineProperty(wrapper, 'length', { value: method.length });
  return wrapper;
}
