/** A frame of a call stack. */
export interface CallerFrame {
  /** Empty for an anonymous function. */
  readonly name: string;
  /** Path or URL of the script; empty for a built-in function. */
  readonly filename: string;
  /** The line that is executing, from 1; 0 for a built-in function. */
  readonly line: number;
}

/** Frames of a stack that are kept. */
const DEPTH = 64;

/**
 * The stack of a function's caller, innermost first, across `await` as far as V8 knows it.
 *
 * @param callee the function that was called; it and what it has called are left out
 */
export function callStackOf(callee: (...args: never[]) => unknown): CallerFrame[] {
  const { prepareStackTrace, stackTraceLimit } = Error;
  const holder: { stack?: NodeJS.CallSite[] } = {};
  try {
    Error.stackTraceLimit = DEPTH;
    Error.prepareStackTrace = (_, sites) => sites;
    Error.captureStackTrace(holder, callee);
    return holder.stack!.map(frameOf); // V8 may prepare it only here
  } finally {
    Object.assign(Error, { prepareStackTrace, stackTraceLimit });
  }
}

/** No call site is kept: it holds the function, and what that was called on. */
function frameOf(site: NodeJS.CallSite): CallerFrame {
  return {
    name: site.getFunctionName() ?? '',
    filename: site.getScriptNameOrSourceURL() ?? '',
    line: site.getLineNumber() ?? 0,
  };
}
