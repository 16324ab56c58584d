type AnyFunction = (...args: never[]) => unknown;

/** What was found: a method does not change its name. */
const names = new WeakMap<AnyFunction, string>();

/** The name of a method. What a decorator has put in place of it may have another name, or none. */
export function methodNameOf(prototype: object | null, fn: AnyFunction): string {
  let name = names.get(fn);
  if (name === undefined) names.set(fn, (name = keyOf(prototype, fn) ?? fn.name));
  return name;
}

function keyOf(prototype: object | null, fn: AnyFunction): string | undefined {
  for (let holder = prototype; holder; holder = Object.getPrototypeOf(holder) as object | null) {
    const methods = Object.entries(Object.getOwnPropertyDescriptors(holder));
    const found = methods.find(([, { value }]) => value === fn);
    if (found) return found[0];
  }
  return undefined;
}
