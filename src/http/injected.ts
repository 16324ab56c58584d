import { Scope, type ExecutionContext, type Type } from '@nestjs/common';
import { ContextIdFactory, type ModuleRef } from '@nestjs/core';

/** Gives the guard or interceptor for one request. */
export type Injected<T> = (context: ExecutionContext) => Promise<T> | T;

/**
 * Finds the instances behind guards and interceptors given as classes: the application's own, wherever it provides
 * them, one per request where they are request-scoped; a class that nobody provides is created here, once.
 *
 * @throws Nest's error about unresolved dependencies, at boot rather than at the first request
 */
export function injectedOf<T extends object>(
  moduleRef: ModuleRef,
  given: readonly (Type<T> | T)[],
): Promise<Injected<T>[]> {
  return Promise.all(given.map((one) => injectedBy(moduleRef, one)));
}

async function injectedBy<T extends object>(moduleRef: ModuleRef, given: Type<T> | T): Promise<Injected<T>> {
  if (typeof given !== 'function') return () => given;
  const scope = scopeOf(moduleRef, given);
  if (scope === undefined) {
    const created = await moduleRef.create(given);
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

/** Undefined for a class that no module provides. */
function scopeOf<T>(moduleRef: ModuleRef, given: Type<T>): Scope | undefined {
  try {
    return moduleRef.introspect(given).scope;
  } catch {
    return undefined; // introspect has no other way to say so
  }
}
