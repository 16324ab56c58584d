import { Scope, type ExecutionContext, type Type } from '@nestjs/common';
import { ContextIdFactory, type ModuleRef } from '@nestjs/core';
import { UnknownDependenciesException } from '@nestjs/core/errors/exceptions/unknown-dependencies.exception.js';

/** Returns the guard or interceptor for one request. */
export type Injected<T> = (context: ExecutionContext) => Promise<T> | T;

/**
 * Finds the instances of guards and interceptors that are given as classes: the one that a module of the application provides,
 * and one per request if that is request-scoped. A class that no module provides is created once, if Nest can resolve its
 * dependencies.
 *
 * @throws Error at boot if it cannot
 */
export function injectedOf<T extends object>(
  moduleRef: ModuleRef,
  kind: 'guard' | 'interceptor',
  given: readonly (Type<T> | T)[],
): Promise<Injected<T>[]> {
  return Promise.all(given.map((one) => injectedBy(moduleRef, kind, one)));
}

async function injectedBy<T extends object>(
  moduleRef: ModuleRef,
  kind: string,
  given: Type<T> | T,
): Promise<Injected<T>> {
  if (typeof given !== 'function') return () => given;
  const scope = scopeOf(moduleRef, given);
  if (scope === undefined) {
    const created = await create(moduleRef, kind, given);
    return () => created;
  }
  if (scope === Scope.DEFAULT) {
    const provided = moduleRef.get<T>(given, { strict: false });
    return () => provided;
  }
  return (context) => {
    const request = context.switchToHttp().getRequest<object>();
    const id = ContextIdFactory.getByRequest(request);
    moduleRef.registerRequestByContextId(request, id); // else the injected REQUEST is undefined
    return moduleRef.resolve<T>(given, id, { strict: false });
  };
}

/** Nest's own error names a dependency, but what is missing most often is the class itself among the providers. */
async function create<T>(moduleRef: ModuleRef, kind: string, type: Type<T>): Promise<T> {
  try {
    return await moduleRef.create(type);
  } catch (cause) {
    if (!(cause instanceof UnknownDependenciesException)) throw cause;
    const problem = `the ${kind} ${type.name} is not a provider of any module; add it to "providers"`;
    throw new Error(`PprofModule: ${problem}`, { cause });
  }
}

/** Undefined for a class that no module provides. */
function scopeOf<T>(moduleRef: ModuleRef, given: Type<T>): Scope | undefined {
  try {
    return moduleRef.introspect(given).scope;
  } catch {
    return undefined; // introspect throws for it
  }
}
