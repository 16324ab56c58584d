import { fileURLToPath } from 'node:url';
import { addressOf } from '../format/address.js';
import type { PlaceInCode } from '../format/profile-builder.js';
import type { RawFrame } from '../sampling/sampler.js';

/** What a profile shows of a frame. */
export function placeOf(frame: RawFrame): PlaceInCode {
  const filename = filenameOf(frame.url);
  return {
    address: addressOf(frame.functionName, filename, frame.line, frame.functionColumn),
    functionName: frame.functionName || '(anonymous)',
    filename,
    startLine: frame.functionLine,
    line: frame.line,
    column: 0,
  };
}

/** A frame that stands for no code, such as `(external)`. */
export function placeNamed(name: string): PlaceInCode {
  return placeOf({ functionName: name, url: '', functionLine: 0, functionColumn: 0, line: 0 });
}

/** `-list` opens paths; it takes no `file:` URLs, which is what ES modules have. */
function filenameOf(url: string): string {
  if (!url.startsWith('file:')) return url;
  try {
    return fileURLToPath(url);
  } catch {
    return url; // such as file://host/… on Linux
  }
}
