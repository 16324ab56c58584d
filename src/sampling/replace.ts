export type AnyFunction = (this: unknown, ...args: unknown[]) => unknown;
export type Restore = () => void;

/**
 * Replaces a method of an object, unless that is frozen.
 *
 * @param by called with the original, on the same `this`, the arguments, and `this`
 * @returns puts back what was there, if nobody has replaced it since
 */
export function replace(
  object: object,
  key: string,
  by: (original: (args: unknown[]) => unknown, args: unknown[], self: unknown) => unknown,
): Restore {
  const before = Object.getOwnPropertyDescriptor(object, key);
  const method = Reflect.get(object, key) as AnyFunction;
  let isOn = true;
  const ours = function (this: unknown, ...args: unknown[]): unknown {
    return isOn ? by((args) => method.apply(this, args), args, this) : method.apply(this, args);
  };
  Reflect.defineProperty(object, key, { value: ours, configurable: true, writable: true });
  return () => {
    isOn = false; // it is still called by who has replaced it since
    if (Reflect.get(object, key) !== ours) return;
    if (before) Object.defineProperty(object, key, before);
    else Reflect.deleteProperty(object, key);
  };
}
