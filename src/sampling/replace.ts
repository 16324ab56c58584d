export type AnyFunction = (this: unknown, ...args: unknown[]) => unknown;
export type Restore = () => void;

/**
 * Replaces a method of an object, unless that is frozen.
 *
 * @param by called with the original method (bound to `this`), the arguments, and `this`
 * @returns a function that restores the original, unless the method has been replaced again since
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
    isOn = false; // a later replacement may still call ours
    if (Reflect.get(object, key) !== ours) return;
    if (before) Object.defineProperty(object, key, before);
    else Reflect.deleteProperty(object, key);
  };
}
