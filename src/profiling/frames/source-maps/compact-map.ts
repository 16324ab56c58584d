/**
 * A source map as flat arrays: what lookups need and nothing else, small in memory, and handed from thread to thread
 * without being copied. Lines and columns are from 0 in here, as in maps.
 */
export interface CompactMap {
  /** Generated lines that have segments, ascending. */
  readonly lines: Uint32Array;
  /** For each of {@link lines} its first segment; one more entry for the end. */
  readonly lineStart: Uint32Array;
  /** For each of {@link lines} the segment that stands for all of it, or {@link NONE}. */
  readonly wholeLine: Uint32Array;

  /** For each segment the generated column at which it begins, ascending within a line. */
  readonly column: Uint32Array;
  /** For each segment an index into {@link sources}, or {@link NONE} for code that nobody wrote. */
  readonly source: Uint32Array;
  readonly originalLine: Uint32Array;

  readonly renamed: RenamedFunctions;
  /** As the map has them, behind its `sourceRoot`. */
  readonly sources: TextTable;
}

/** Functions that have another name in the generated code, by the place at which V8 lets them begin. */
export interface RenamedFunctions {
  readonly line: Uint32Array;
  readonly column: Uint32Array;
  /** Indexes into {@link names}. */
  readonly from: Uint32Array;
  readonly to: Uint32Array;
  readonly names: TextTable;
}

/** Strings as one array of UTF-8. */
export interface TextTable {
  readonly bytes: Uint8Array;
  /** For each string where it ends in {@link bytes}. */
  readonly end: Uint32Array;
}

/** Texts between two yields. */
const SLICE = 64;

/** No such segment, source or name. */
export const NONE = 0xffff_ffff;

/** The last segment of a generated line that begins at a column or before it, or {@link NONE}. */
export function segmentAt(map: CompactMap, line: number, column: number): number {
  const at = lineIndex(map, line);
  if (at < 0) return NONE;
  const begin = map.lineStart[at]!;
  const after = firstWhere(begin, map.lineStart[at + 1]!, (segment) => map.column[segment]! > column);
  if (after === begin) return NONE;
  if (map.column[after - 1] !== column) return after - 1;
  // Of several that begin there the first, as other readers of maps take it.
  return firstWhere(begin, after, (segment) => map.column[segment]! >= column);
}

/** The segment that stands for a generated line, or {@link NONE} where none or no single one can. */
export function segmentOfLine(map: CompactMap, line: number): number {
  const at = lineIndex(map, line);
  return at < 0 ? NONE : map.wholeLine[at]!;
}

/** What a function is called in its source, if the function that begins there has been renamed from that. */
export function originalName(
  { renamed }: CompactMap,
  line: number,
  column: number,
  name: string,
): string | undefined {
  const count = renamed.line.length;
  const at = firstWhere(0, count, (i) => {
    const ahead = renamed.line[i]! - line;
    return ahead > 0 || (ahead === 0 && renamed.column[i]! >= column);
  });
  if (at === count || renamed.line[at] !== line || renamed.column[at] !== column) return undefined;
  return textAt(renamed.names, renamed.from[at]!) === name
    ? textAt(renamed.names, renamed.to[at]!)
    : undefined;
}

export function textAt({ bytes, end }: TextTable, index: number): string {
  return new TextDecoder().decode(bytes.subarray(index === 0 ? 0 : end[index - 1], end[index]));
}

export function* textTable(texts: readonly string[]): Generator<void, TextTable> {
  const end = new Uint32Array(texts.length);
  let length = 0;
  for (const [i, text] of texts.entries()) {
    if (i % SLICE === SLICE - 1) yield;
    end[i] = length += Buffer.byteLength(text);
  }
  const bytes = new Uint8Array(length);
  const encoder = new TextEncoder();
  for (const [i, text] of texts.entries()) {
    if (i % SLICE === SLICE - 1) yield;
    encoder.encodeInto(text, bytes.subarray(i === 0 ? 0 : end[i - 1]));
  }
  return { bytes, end };
}

/** The memory behind a map: what can be handed to another thread. */
export function buffersOf({ renamed, sources, ...map }: CompactMap): ArrayBuffer[] {
  const { names, ...renames } = renamed;
  return [map, renames, names, sources].flatMap((part) =>
    Object.values(part).map((array) => array.buffer as ArrayBuffer),
  );
}

export function byteLengthOf(map: CompactMap): number {
  return buffersOf(map).reduce((sum, { byteLength }) => sum + byteLength, 0);
}

/** Index into {@link CompactMap.lines}, or -1. */
function lineIndex({ lines }: CompactMap, line: number): number {
  const at = firstWhere(0, lines.length, (i) => lines[i]! >= line);
  return lines[at] === line ? at : -1;
}

/** Binary search: the first index in [begin, end) for which something holds that then holds for all after it. */
function firstWhere(begin: number, end: number, holds: (index: number) => boolean): number {
  let low = begin;
  for (let high = end; low < high;) {
    const middle = (low + high) >>> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
