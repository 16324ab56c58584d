import { NONE } from './compact-map.js';

/** The segments of a map with their names, as flat arrays. */
interface NamedSegments {
  readonly lines: Uint32Array;
  readonly lineStart: Uint32Array;
  readonly column: Uint32Array;
  readonly name: Uint32Array;
  readonly names: readonly string[];
}

/** A function that a minifier renamed, by the place at which V8 lets it begin. */
export interface RenamedFunction {
  readonly line: number;
  readonly column: number;
  readonly from: string;
  readonly to: string;
}

/** All are bounded: a map may point to the same long stretch of code very often. */
const IDENTIFIER = /[\p{ID_Start}$_#][\p{ID_Continue}$\u200c\u200d]{0,200}/uy;
const ASSIGNED = /[ \t]{0,9}=(?![=>])[ \t]{0,9}/y;
/** V8 lets these begin at their parameters, with or without a name, and an arrow function at its first character. */
const FUNCTION = /(?:async[ \t]{1,9})?function[ \t]{0,9}\*?[ \t]{0,9}(?=\()/y;
const ARROW = /(?:async\b[ \t]{0,9})?(?:\(|[\p{ID_Start}$_][\p{ID_Continue}$]{0,200}[ \t]{0,9}=>)/uy;

/** Segments between two yields. */
const SLICE = 64;

/**
 * Finds functions that have another name in their source: a segment with a name, at an identifier that names a function
 * in `name(…) {` or `name = …`. Calls look like declarations and are found too: nobody asks for them, since no function
 * begins there.
 */
export function* renamedFunctions(
  segments: NamedSegments,
  code: string,
  found: RenamedFunction[],
): Generator<void> {
  const { lines, lineStart, column, name, names } = segments;
  const positionOf = linePositions(code);
  for (let at = 0, seen = 0; at < lines.length; at++) {
    const line = lines[at]!;
    const position = positionOf(line);
    for (let segment = lineStart[at]!; segment < lineStart[at + 1]!; segment++) {
      if (++seen % SLICE === 0) yield;
      if (name[segment] === NONE || position < 0) continue;
      const named = functionNamedAt(code, position + column[segment]!);
      const to = names[name[segment]!]!;
      if (!named || named.name === to) continue;
      found.push({ line, column: named.begin - position, from: named.name, to });
    }
  }
}

/** The function, if it is one, whose name is at a position, and where V8 lets it begin. */
function functionNamedAt(code: string, position: number): { name: string; begin: number } | undefined {
  const nameEnd = endOf(IDENTIFIER, code, position);
  if (nameEnd === undefined) return undefined;
  const name = code.slice(position, nameEnd);
  if (code[nameEnd] === '(') return { name, begin: nameEnd };
  const value = endOf(ASSIGNED, code, nameEnd);
  if (value === undefined) return undefined;
  const parameters = endOf(FUNCTION, code, value);
  if (parameters !== undefined) return { name, begin: parameters };
  return endOf(ARROW, code, value) === undefined ? undefined : { name, begin: value };
}

function endOf(pattern: RegExp, text: string, position: number): number | undefined {
  pattern.lastIndex = position;
  return pattern.test(text) ? pattern.lastIndex : undefined;
}

/** Where lines begin in the code, asked for in ascending order; -1 if it has no such line. */
function linePositions(code: string): (line: number) => number {
  let line = 0;
  let position = 0;
  return (wanted) => {
    for (; line < wanted && position >= 0; line++) {
      const end = code.indexOf('\n', position);
      position = end < 0 ? -1 : end + 1;
    }
    return position;
  };
}
