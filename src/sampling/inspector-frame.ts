import type { Runtime } from 'node:inspector';
import type { RawFrame } from './sampler.js';

/** A frame of V8's, which counts from 0. */
export function frameOf(
  { functionName, url, scriptId, lineNumber, columnNumber }: Runtime.CallFrame,
  line = lineNumber + 1,
): RawFrame {
  return {
    functionName,
    url,
    scriptId: Number(scriptId),
    functionLine: lineNumber + 1,
    functionColumn: columnNumber + 1,
    line,
  };
}
