import type { RawFrame } from './sampler.js';

/** Frames of a stack that are kept. */
const DEPTH = 64;

/**
 * The stack of the caller, innermost first.
 *
 * @param above the function that was called; it and what it called are left out
 */
export function callStack(above: (...args: never[]) => unknown): RawFrame[] {
  const { prepareStackTrace, stackTraceLimit } = Error;
  const holder: { stack?: NodeJS.CallSite[] } = {};
  try {
    Error.stackTraceLimit = DEPTH;
    Error.prepareStackTrace = (_, sites) => sites;
    Error.captureStackTrace(holder, above);
    return (holder.stack ?? []).map(frameOf); // which is made when it is asked for
  } finally {
    Object.assign(Error, { prepareStackTrace, stackTraceLimit });
  }
}

/** Only texts and numbers: a call site holds on to functions and what they were called on. */
function frameOf(site: NodeJS.CallSite): RawFrame {
  return {
    functionName: site.getFunctionName() ?? '',
    url: site.getScriptNameOrSourceURL() ?? '',
    scriptId: 0,
    functionLine: 0,
    functionColumn: 0,
    line: site.getLineNumber() ?? 0,
  };
}
