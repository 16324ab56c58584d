/** A frame of a call stack. */
export interface CallerFrame {
  /** Empty for an anonymous function. */
  readonly name: string;
  /** Path or URL of the script; empty for a built-in function. */
  readonly filename: string;
  /** The line that is executing, from 1; 0 for a built-in function. */
  readonly line: number;
  /** From 1; left out where unknown. */
  readonly column?: number | undefined;
  /** It awaits the frame before it: it is not executing. */
  readonly isAsync?: boolean | undefined;
}

/** Frames of a stack that are kept. */
export const STACK_DEPTH = 64;

/**
 * The stack of a function's caller, innermost first, across `await` as far as V8 knows it.
 *
 * @param callee the function that was called; it and what it has called are left out
 * @returns nothing where V8 cannot be asked, as `Error` is frozen or the like: in a hook, to throw would end the process
 */
export function callStackOf(callee: (...args: never[]) => unknown): CallerFrame[] {
  try {
    return callSitesOf(callee).map(frameOf);
  } catch {
    return [];
  }
}

/**
 * The call sites of {@link callStackOf}. None may be kept: it holds the function, and what that was called on.
 *
 * @throws whatever V8 does where it cannot be asked
 */
export function callSitesOf(callee: (...args: never[]) => unknown, depth = STACK_DEPTH): NodeJS.CallSite[] {
  const { prepareStackTrace, stackTraceLimit } = Error;
  const holder: { stack?: NodeJS.CallSite[] } = {};
  try {
    Error.stackTraceLimit = depth;
    Error.prepareStackTrace = (_, sites) => sites;
    Error.captureStackTrace(holder, callee);
    return holder.stack!; // V8 may prepare it only here
  } finally {
    Object.assign(Error, { prepareStackTrace, stackTraceLimit });
  }
}

/** The same for the same stack. */
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
    (site as { isAsync?: () => boolean }).isAsync?.(), // the types lack it
  );
}

/** What V8 calls objects of no class of the application, and, before Node 22, classes. */
const NO_CLASS = new Set(['Object', 'Function', null]);

/** The frame of a call site: with the class of a method, as V8's own stack traces have it. */
export function callerFrame(
  type: string | null,
  functionName: string | null,
  filename: string | null,
  line: number | null,
  column: number | null,
  isAsync?: boolean,
): CallerFrame {
  const name = functionName ?? '';
  // Always of one shape: there are very many.
  return {
    name: name === '' || NO_CLASS.has(type) ? name : `${type}.${name}`,
    filename: filename ?? '',
    line: line ?? 0,
    column: column ?? undefined,
    isAsync: isAsync || undefined,
  };
}
