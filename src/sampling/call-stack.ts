/** A frame of a call stack. */
export interface CallerFrame {
  /** Name of the function, with its class for a method; empty for an anonymous function. */
  readonly name: string;
  /** Path or URL of the script; empty for a built-in function. */
  readonly filename: string;
  /** The executing line, one-based; 0 for a built-in function. */
  readonly line: number;
  /** One-based; omitted if unknown. */
  readonly column?: number | undefined;
  /** True if the frame is not executing but awaits the previous one. */
  readonly isAsync?: boolean | undefined;
}

/** Maximum number of frames in a stack. */
export const STACK_DEPTH = 64;

/**
 * The stack of a function's caller, innermost first, across `await` as far as V8 knows it.
 *
 * @param callee the called function; it, and what it has called, are excluded
 * @returns an empty stack if V8 can't be asked, for example because `Error` is frozen: throwing in a hook would end the process
 */
export function callStackOf(callee: (...args: never[]) => unknown): CallerFrame[] {
  try {
    return callSitesOf(callee).map(frameOf);
  } catch {
    return [];
  }
}

/**
 * The call sites of {@link callStackOf}. Don't keep them, since they reference the function and its receiver.
 *
 * @throws any error if V8 can't be asked
 */
export function callSitesOf(callee: (...args: never[]) => unknown, depth = STACK_DEPTH): NodeJS.CallSite[] {
  const { prepareStackTrace, stackTraceLimit } = Error;
  const holder: { stack?: NodeJS.CallSite[] } = {};
  try {
    Error.stackTraceLimit = depth;
    Error.prepareStackTrace = (_, sites) => sites;
    Error.captureStackTrace(holder, callee);
    return holder.stack!; // V8 may call prepareStackTrace only here
  } finally {
    Object.assign(Error, { prepareStackTrace, stackTraceLimit });
  }
}

/** A key that is equal for equal stacks. */
export function stackKey(stack: readonly CallerFrame[]): string {
  return stack
    .map(({ name, filename, line, column }) => `${name}\0${filename}\0${line}\0${column}`)
    .join('\0');
}

export function frameOf(site: NodeJS.CallSite): CallerFrame {
  return callerFrame(
    site.getTypeName(),
    site.getFunctionName(),
    site.getScriptNameOrSourceURL(),
    site.getLineNumber(),
    site.getColumnNumber(),
    (site as { isAsync?: () => boolean }).isAsync?.(), // missing in Node's types
  );
}

/** V8's type names of objects without an application class, and, before Node 22, of classes. */
const NO_CLASS = new Set(['Object', 'Function', null]);

/** The frame of a call site. A method's name includes its class, as in V8's stack traces. */
export function callerFrame(
  type: string | null,
  functionName: string | null,
  filename: string | null,
  line: number | null,
  column: number | null,
  isAsync?: boolean,
): CallerFrame {
  const name = functionName ?? '';
  // All frames have the same shape, since there are very many.
  return {
    name: name === '' || NO_CLASS.has(type) ? name : `${type}.${name}`,
    filename: filename ?? '',
    line: line ?? 0,
    column: column ?? undefined,
    isAsync: isAsync || undefined,
  };
}
