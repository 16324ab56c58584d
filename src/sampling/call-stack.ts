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
    name: nameOf(site),
    filename: site.getScriptNameOrSourceURL() ?? '',
    line: site.getLineNumber() ?? 0,
  };
}

/** What V8 calls objects of no class of the application, and, before Node 22, classes. */
const NO_CLASS = new Set(['Object', 'Function', null]);

/** With the class of a method, as V8's own stack traces have it. */
function nameOf(site: NodeJS.CallSite): string {
  const name = site.getFunctionName() ?? '';
  const type = site.getTypeName();
  return name === '' || NO_CLASS.has(type) ? name : `${type}.${name}`;
}
