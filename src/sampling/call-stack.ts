import type { RawFrame } from './sampler.js';

/** Frames of a stack that are kept. */
const DEPTH = 64;

/** Receivers that say nothing of a function: it may be called on any object. */
const NO_CLASSES: ReadonlySet<string | null> = new Set([null, '', 'Object', 'Function', 'global', 'Window']);

type Callable = (...args: never[]) => unknown;

/** Whoever replaces it later does not see what we capture. */
const { captureStackTrace } = Error;

/**
 * The stack of the caller, innermost first.
 *
 * @param above the function that was called; it and what it called are left out
 */
export function callStack(above: Callable): RawFrame[] {
  return callSites(above).map(frameOf);
}

/**
 * V8's own form of it. Good for a moment: a call site holds on to functions and what they were called on.
 *
 * Frames of functions that await the caller follow those of its callers, as far as V8 finds them.
 */
export function callSites(above: Callable, depth = DEPTH): NodeJS.CallSite[] {
  const { prepareStackTrace, stackTraceLimit } = Error;
  const holder: { stack?: NodeJS.CallSite[] } = {};
  try {
    Error.stackTraceLimit = depth;
    Error.prepareStackTrace = (_, sites) => sites;
    captureStackTrace(holder, above);
    return holder.stack ?? []; // which is made when it is asked for
  } finally {
    Object.assign(Error, { prepareStackTrace, stackTraceLimit });
  }
}

/** Only texts and numbers of a call site. */
export function frameOf(site: NodeJS.CallSite): RawFrame {
  const functionName = site.getFunctionName() ?? '';
  const className = classNameOf(site, functionName);
  return {
    functionName,
    ...(className && { className }),
    url: site.getScriptNameOrSourceURL() ?? '',
    scriptId: 0,
    functionLine: 0,
    functionColumn: 0,
    line: site.getLineNumber() ?? 0,
  };
}

/** Of what the function was called on, where that is an object of a class. */
function classNameOf(site: NodeJS.CallSite, functionName: string): string | undefined {
  if (functionName === '' || site.isToplevel() || site.isConstructor()) return undefined;
  const name = site.getTypeName();
  return NO_CLASSES.has(name) || functionName.startsWith(`${name}.`) ? undefined : name!;
}
