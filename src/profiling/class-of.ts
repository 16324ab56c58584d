type AnyClass = abstract new (...args: never[]) => unknown;

/** The class name that Nest's `mixin()` sets, and the name in a class's source. */
const MIXIN = /^[0-9a-f]{21}$/;
const DECLARED = /^class\s+(?!extends\b)([^\s{]+)/;

/** Objects may have a `constructor` property of another type. */
export function classOf(object: unknown): AnyClass {
  const type: unknown = (object as object | null | undefined)?.constructor;
  return typeof type === 'function' ? (type as AnyClass) : Object;
}

/** The name of a class, also of one that Nest's `mixin()` has renamed. Classes may have a property `name`. */
export function classNameOf(type: { readonly name: unknown }): string {
  const given = typeof type.name === 'string' ? type.name : '';
  const name = MIXIN.test(given) ? DECLARED.exec(String(type))?.[1] : given;
  return name && name !== 'Object' ? name : '(anonymous)';
}
