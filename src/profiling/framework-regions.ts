import {
  type CallHandler,
  type CanActivate,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
  Optional,
  type PipeTransform,
} from '@nestjs/common';
import { ExternalContextCreator } from '@nestjs/core';
import { finalize, isObservable, type Observable } from 'rxjs';
import { methodNameOf } from './method-name.js';

/** A region that begins, and ends. */
export interface LateRegion {
  /** Calls what is in it, or will be when it has begun. */
  within<T>(work: () => T): T;
  /** @param at a time before now, if it has begun already */
  begin(name: string, at?: number): void;
  /** Once; what has not begun does not end. */
  end(): void;
}

/** Is told of the parts of a request. */
export interface RegionTeller {
  now(): number;
  /** A region of what is current, which begins when it is told to. */
  region(): LateRegion;
  /** Calls a handler of what is no request over HTTP: a message's, say. */
  message<T>(name: string, handle: () => T): T;
}

/** What Nest calls guards, interceptors, pipes and handlers with: one object of each for a kind of context. */
interface Consumers {
  readonly guardsConsumer: GuardsConsumer;
  readonly interceptorsConsumer: InterceptorsConsumer;
  readonly pipesConsumer: PipesConsumer;
}

interface GuardsConsumer {
  tryActivate(guards: CanActivate[], ...rest: unknown[]): Promise<boolean>;
}

type Intercept = (
  interceptors: NestInterceptor[],
  args: unknown[],
  instance: object,
  callback: (...args: never[]) => unknown,
  next: () => Promise<unknown>,
  type?: string,
) => Promise<unknown>;

interface InterceptorsConsumer {
  intercept: Intercept;
}

interface PipesConsumer {
  applyPipes(value: unknown, metadata: unknown, pipes: PipeTransform[]): Promise<unknown>;
}

/**
 * Tells when guards, interceptors, pipes and handlers begin and end. Nest calls them through three classes of its own, for
 * all kinds of applications; while somebody wants to know, methods of these are replaced. At other times nothing is there.
 */
@Injectable()
export class FrameworkRegions {
  constructor(@Optional() private readonly creator?: ExternalContextCreator) {}

  /** @returns undoes it */
  watch(teller: RegionTeller): () => void {
    const { guardsConsumer, interceptorsConsumer, pipesConsumer } = (this.creator ??
      {}) as Partial<Consumers>;
    const undo = [
      replace(guardsConsumer, 'tryActivate', (tryActivate) => tellsGuards(tryActivate, teller)),
      replace(interceptorsConsumer, 'intercept', (intercept) => tellsHandlers(intercept, teller)),
      replace(pipesConsumer, 'applyPipes', (applyPipes) => tellsPipes(applyPipes, teller)),
    ];
    return () => undo.forEach((one) => one());
  }
}

/** In the class of an object; somebody else may have replaced it again when it is undone, and then it stays. */
function replace<T extends object, K extends keyof T>(
  object: T | undefined,
  method: K,
  make: (original: T[K]) => T[K],
): () => void {
  const holder = object && (Object.getPrototypeOf(object) as T);
  if (!holder || typeof holder[method] !== 'function') return () => {};
  const original = holder[method];
  const replaced = make(original);
  holder[method] = replaced;
  return () => {
    if (holder[method] === replaced) holder[method] = original;
  };
}

function tellsGuards(
  tryActivate: GuardsConsumer['tryActivate'],
  teller: RegionTeller,
): GuardsConsumer['tryActivate'] {
  return function (this: GuardsConsumer, guards, ...rest) {
    const told = guards.map((guard) =>
      isOurs(guard)
        ? guard
        : {
            canActivate: (context: ExecutionContext) =>
              within(teller, `guard ${nameOf(guard)}`, () => guard.canActivate(context)),
          },
    );
    return tryActivate.call(this, told, ...rest);
  };
}

function tellsPipes(
  applyPipes: PipesConsumer['applyPipes'],
  teller: RegionTeller,
): PipesConsumer['applyPipes'] {
  return function (this: PipesConsumer, value, metadata, pipes) {
    const call = current;
    const told = pipes.map((pipe) => ({
      transform: (input: unknown, about: Parameters<PipeTransform['transform']>[1]) =>
        within(teller, `pipe ${nameOf(pipe)}`, () => pipe.transform(input, about) as unknown),
    }));
    const applied = applyPipes.call(this, value, metadata, told);
    return call ? pipesOf(call, applied) : applied;
  };
}

function tellsHandlers(intercept: Intercept, teller: RegionTeller): Intercept {
  return function (this: InterceptorsConsumer, interceptors, args, instance, callback, next, type) {
    const { name: owner, prototype } = instance?.constructor ?? Object;
    const name = `${owner}.${methodNameOf(prototype as object | null, callback)}`;
    const told = interceptors.map((interceptor) =>
      isOurs(interceptor) ? interceptor : tellsInterceptor(interceptor, teller),
    );
    const handle = (): Promise<unknown> => callHandler(teller, `handler ${name}`, next);
    const call = (): Promise<unknown> => intercept.call(this, told, args, instance, callback, handle, type);
    return type === undefined || type === 'http' ? call() : teller.message(name, call);
  };
}

/** A handler that is called, and has not begun while its pipes are not through. */
interface HandlerCall {
  /** Parameters that are with their pipes. */
  pipes: number;
  begin(): void;
}

/** While Nest calls the pipes of a handler, in one function with it, the pipes first. */
let current: HandlerCall | undefined;

function callHandler(teller: RegionTeller, name: string, next: () => Promise<unknown>): Promise<unknown> {
  const region = teller.region();
  const beganAt = teller.now();
  const call: HandlerCall = { pipes: 0, begin: () => region.begin(name) };
  current = call;
  let result: Promise<unknown>;
  try {
    result = region.within(next);
  } finally {
    current = undefined;
  }
  if (call.pipes === 0) region.begin(name, beganAt);
  return endsWith(result, () => region.end());
}

/** The pipes of one parameter. */
async function pipesOf(call: HandlerCall, applied: Promise<unknown>): Promise<unknown> {
  call.pipes++;
  const value = await applied;
  if (--call.pipes === 0) call.begin();
  return value;
}

function tellsInterceptor(interceptor: NestInterceptor, teller: RegionTeller): NestInterceptor {
  return {
    intercept: (context: ExecutionContext, next: CallHandler) =>
      within(teller, `interceptor ${nameOf(interceptor)}`, () => interceptor.intercept(context, next)),
  };
}

/** A region from the call of a function to the end of what it returns. */
function within<T>(teller: RegionTeller, name: string, work: () => T): T {
  const region = teller.region();
  region.begin(name);
  const end = (): void => region.end();
  try {
    return endsWith(region.within(work), end);
  } catch (error) {
    end();
    throw error;
  }
}

function endsWith<T>(result: T, end: () => void): T {
  if (isObservable(result)) return (result as Observable<unknown>).pipe(finalize(end)) as T;
  if (!isThenable(result)) {
    end();
    return result;
  }
  return result.then(
    (value: unknown) => (isObservable(value) ? value.pipe(finalize(end)) : (end(), value)),
    (error: unknown) => {
      end();
      throw error;
    },
  ) as T;
}

function isThenable(value: unknown): value is Promise<unknown> {
  return typeof (value as Partial<Promise<unknown>> | null | undefined)?.then === 'function';
}

/** What this package has put there is nobody's business. */
const ours = new WeakSet<object>();

/** Guards and interceptors that are not told of. */
export function notTold(enhancer: object): void {
  ours.add(enhancer);
}

function isOurs(enhancer: object): boolean {
  return ours.has(enhancer);
}

function nameOf(enhancer: object): string {
  return enhancer.constructor?.name ?? '(anonymous)'; // an object may have no prototype
}
