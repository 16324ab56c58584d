import { GuardsConsumer } from '@nestjs/core/guards/guards-consumer.js';
import { InterceptorsConsumer } from '@nestjs/core/interceptors/interceptors-consumer.js';
import { PipesConsumer } from '@nestjs/core/pipes/pipes-consumer.js';
import { isObservable } from 'rxjs';
import type { Run } from '../../sampling/active-trace.js';
import { perProcess } from '../../sampling/process-state.js';
import { type AnyFunction, replace, type Restore } from '../../sampling/replace.js';
import { classNameOf, classOf } from '../class-of.js';
import { inRegion, whenEnded, whenSettled } from './when-over.js';

/** A guard, a pipe or an interceptor. */
type Enhancer = Record<string, AnyFunction>;

/** Nest's classes that call guards, pipes and interceptors. */
const CONSUMERS = [
  {
    kind: 'guard',
    does: 'canActivate',
    consumer: GuardsConsumer.prototype,
    method: 'tryActivate' satisfies keyof GuardsConsumer,
    argument: 0,
    over: whenNestIsDone,
  },
  {
    kind: 'pipe',
    does: 'transform',
    consumer: PipesConsumer.prototype,
    method: 'apply' satisfies keyof PipesConsumer,
    argument: 2,
    over: whenAwaited,
  },
  {
    kind: 'interceptor',
    does: 'intercept',
    consumer: InterceptorsConsumer.prototype,
    method: 'intercept' satisfies keyof InterceptorsConsumer,
    argument: 0,
    over: whenNestIsDone,
  },
];

const installed = perProcess('nest-regions', () => ({ users: 0, restore: (): void => {} }));

/**
 * Records regions for the guards, interceptors, pipes and handlers of all Nest applications in the process, such as
 * `guard AuthGuard` and `handler CatsController.findOne`, for HTTP, microservices, WebSockets and GraphQL.
 *
 * @returns a function that ends it and restores the replaced methods; call it once
 */
export function nestRegions(): Restore {
  if (installed.users++ === 0) installed.restore = install();
  return () => {
    if (--installed.users === 0) installed.restore();
  };
}

function install(): Restore {
  const restores = CONSUMERS.map(({ kind, does, consumer, method, argument, over }) => {
    const nameOf = namesOf(kind);
    const inRegions = (enhancer: Enhancer): Enhancer => ({
      [does]: (...args) => inRegion(nameOf(enhancer), () => enhancer[does]!(...args), over),
    });
    return replace(consumer, method, (original, args) =>
      original(
        args.map((arg, i) => (i === argument ? (arg as Enhancer[] | undefined)?.map(inRegions) : arg)),
      ),
    );
  });
  restores.push(followHandlers());
  return () => {
    for (const restore of restores.toReversed()) restore();
  };
}

/** Hooks into each handler when Nest first calls it. */
function followHandlers(): Restore {
  const followed = new Map<unknown, Restore>();
  followed.set(
    InterceptorsConsumer,
    replace(InterceptorsConsumer.prototype, 'intercept', (original, args) => {
      const [, , instance, handler] = args as [unknown, unknown, object, AnyFunction];
      if (!followed.has(handler)) followed.set(handler, handlerInRegion(instance, handler));
      return original(args);
    }),
  );
  return () => {
    for (const restore of followed.values()) restore();
  };
}

/** After the pipes, Nest calls the handler with `apply`. */
function handlerInRegion(instance: object, handler: AnyFunction): Restore {
  const nameOf = namesOf('handler', `.${keyOf(instance, handler)}`);
  return replace(handler, 'apply', (apply, call) =>
    inRegion(nameOf(call[0]), () => apply(call), whenNestIsDone),
  );
}

/** Nest subscribes to observables of any class and awaits any thenable, so both can be replaced. */
function whenNestIsDone<T>(result: T, end: () => void, run: Run): T {
  if (isObservable(result)) return whenEnded(result, end, run) as T;
  return afterThen(result, end, (value) => whenNestIsDone(value, end, run));
}

function whenAwaited<T>(result: T, end: () => void): T {
  return afterThen(result, end, (value) => whenValue(value, end));
}

function afterThen<T>(result: T, end: () => void, then: (value: T) => T): T {
  const isThenable = typeof (result as { then?: unknown } | null | undefined)?.then === 'function';
  return isThenable ? (whenSettled(Promise.resolve(result), end, then) as T) : whenValue(result, end);
}

function whenValue<T>(value: T, end: () => void): T {
  end();
  return value;
}

/** Names of regions by the class of an object. */
function namesOf(kind: string, suffix = ''): (object: unknown) => string {
  const known = new WeakMap<object, string>();
  return (object) => {
    const type = classOf(object);
    const name = known.get(type) ?? `${kind} ${classNameOf(type)}${suffix}`;
    known.set(type, name);
    return name;
  };
}

/** The key of a method in its class; decorators may have replaced the function. */
function keyOf(instance: object, method: AnyFunction): string {
  for (let object: object | null = instance; object; object = Reflect.getPrototypeOf(object))
    for (const key of Reflect.ownKeys(object))
      if (Reflect.getOwnPropertyDescriptor(object, key)!.value === method) return String(key);
  return method.name;
}
