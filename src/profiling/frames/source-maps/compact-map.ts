import { AnyMap, decodedMappings } from '@jridgewell/trace-mapping';
import type { RawFrame } from '../../../sampling/sampler.js';

/**
 * A source map as flat arrays: what lookups need and nothing else, small in memory, and transferred between threads
 * without a copy. Generated lines and columns and original lines are from 0 in here, as in maps.
 */
export interface CompactMap {
  /** Rows in order of their place: generated line, generated column, source (a text, or {@link NONE}), original line. */
  readonly segments: Uint32Array;
  /** Rows in order of their place: line and column at which V8 lets a function begin, its name there, its original name. */
  readonly renamed: Uint32Array;
  /** Texts in UTF-8, with a byte between two. Sources are as the map has them, behind its `sourceRoot`. */
  readonly texts: Uint8Array;
  /** For each text where the next one begins. */
  readonly textEnds: Uint32Array;
}

/** Entries of a row. */
export const ROW = 4;

/** In the place of a source: nobody wrote the code. */
export const NONE = 0xffff_ffff;

/**
 * How many lines of a source may be in one generated line so that its first one stands for it. A bundler folds a long
 * call into one line; a minifier folds a whole file, and then a line tells nothing.
 */
const MAX_FOLDED_LINES = 100;

/** A line of a source, from 1. */
interface SourceLine {
  /** A text of the map. */
  readonly source: number;
  readonly line: number;
}

/** Where a frame is in its source. */
export interface MappedFrame extends SourceLine {
  /** 0 where unknown. */
  readonly startLine: number;
  readonly functionName?: string | undefined;
}

/** Looks a frame up in the map of its script; undefined where the map does not tell. */
export function mapFrame(map: CompactMap, frame: RawFrame): MappedFrame | undefined {
  const { line, functionLine, functionColumn } = frame;
  const begin = functionColumn > 0 ? lineAt(map, functionLine, functionColumn) : undefined;
  // In the line in which the function begins that place is the better one: all of a minified bundle may be in one line.
  const isFirstLine = functionColumn > 0 && line === functionLine;
  const at = (isFirstLine ? undefined : lineOfAll(map, line)) ?? begin;
  if (!at) return undefined;
  const { source, line: originalLine } = at; // not spread, which takes five times as long as the rest
  // A function and its lines are in one file. If the map says otherwise, its word on the line counts.
  if (begin?.source !== source) return { source, line: originalLine, startLine: 0 };
  const name = originalName(map, frame);
  return { source, line: originalLine, startLine: begin.line, functionName: name };
}

export function textAt({ texts, textEnds }: CompactMap, text: number): string {
  return new TextDecoder().decode(texts.subarray(textEnds[text - 1] ?? 0, textEnds[text]! - 1));
}

/** The memory behind a map: what can be handed to another thread. */
export function buffersOf({ segments, renamed, texts, textEnds }: CompactMap): ArrayBuffer[] {
  return [segments, renamed, texts, textEnds].map(({ buffer }) => buffer as ArrayBuffer);
}

/** The original line of a generated place, from 1: that of the last segment that begins there or before it in the line. */
function lineAt({ segments }: CompactMap, line: number, column: number): SourceLine | undefined {
  const next = rowFrom(segments, line, column);
  // Of several that begin there the first, as other readers of maps take it.
  const row = isAt(segments, next, line, column) ? next : next - 1;
  return segments[row * ROW] === line - 1 ? sourceLine(segments, row) : undefined;
}

/** The original line of the first segment of a generated line that has one, if all of the line is from there. */
function lineOfAll({ segments }: CompactMap, line: number): SourceLine | undefined {
  let first: SourceLine | undefined;
  let lowest = Infinity;
  let highest = 0;
  for (let row = rowFrom(segments, line, 1); segments[row * ROW] === line - 1; row++) {
    const at = sourceLine(segments, row);
    if (!at) continue;
    first ??= at;
    lowest = Math.min(lowest, at.line);
    highest = Math.max(highest, at.line);
    if (at.source !== first.source || highest - lowest >= MAX_FOLDED_LINES) return undefined;
  }
  return first;
}

/** What a function is called in its source, if the one that begins there has been renamed from that. */
function originalName(
  map: CompactMap,
  { functionLine, functionColumn, functionName }: RawFrame,
): string | undefined {
  const row = rowFrom(map.renamed, functionLine, functionColumn);
  if (!isAt(map.renamed, row, functionLine, functionColumn)) return undefined;
  const [from, to] = map.renamed.subarray(row * ROW + 2);
  return textAt(map, from!) === functionName ? textAt(map, to!) : undefined;
}

function sourceLine(segments: Uint32Array, row: number): SourceLine | undefined {
  const source = segments[row * ROW + 2]!;
  return source === NONE ? undefined : { source, line: segments[row * ROW + 3]! + 1 };
}

/** The first row that begins at a place, from 1, or behind it. */
function rowFrom(rows: Uint32Array, line: number, column: number): number {
  let low = 0;
  for (let high = rows.length / ROW; low < high;) {
    const middle = (low + high) >>> 1;
    const ahead = rows[middle * ROW]! - (line - 1) || rows[middle * ROW + 1]! - (column - 1);
    if (ahead < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function isAt(rows: Uint32Array, row: number, line: number, column: number): boolean {
  return rows[row * ROW] === line - 1 && rows[row * ROW + 1] === column - 1;
}

/** Lines and columns that a profile, and the arrays of a map, can hold. */
const MAX_POSITION = 0x7fff_ffff;

/** Segments between two yields. */
const SLICE = 64;

/**
 * How a comment begins and ends that code can follow in its line. Some tools map these places too, and such a line would be
 * that of the comment.
 */
const COMMENTS: ReadonlySet<string> = new Set(['/*', '*/']);

/** All are bounded: a map may point to the same long stretch of code very often. */
const NAME = String.raw`[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]{0,200}`;
const SPACE = String.raw`[ \t]{0,9}`;
const FUNCTION = String.raw`(?:async[ \t]{1,9})?function${SPACE}\*?${SPACE}(?=\()`;
const ARROW = String.raw`(?=(?:async\b${SPACE})?(?:\(|${NAME}${SPACE}=>))`;
/**
 * A function's name in `name(…) {` or `name = …`, up to where V8 lets the function begin: at its parameters, and for an
 * arrow function at its first character. Calls look like declarations and match too, but no function begins there.
 */
const NAMED_FUNCTION = new RegExp(
  String.raw`(#?${NAME})(?:(?=\()|${SPACE}=(?![=>])${SPACE}(?:${FUNCTION}|${ARROW}))`,
  'uy',
);

/**
 * Reads a source map. The steps of the library that does it hold the event loop, in proportion to the map; what is made of
 * its result does not.
 *
 * @param script the code it belongs to
 * @throws Error if it is none
 */
export function* parseMap(map: string, script: string): Generator<void, CompactMap> {
  const json = JSON.parse(withoutGuard(map)) as ConstructorParameters<typeof AnyMap>[0];
  yield;
  const codeLines = script.split('\n');
  checkSections(json, codeLines.length);
  const traced = new AnyMap(json);
  const mappings = decodedMappings(traced);
  yield;

  const texts = new TextTable();
  const segments = new Uint32Array(ROW * mappings.reduce((sum, { length }) => sum + length, 0));
  const renamed: number[] = [];
  let end = 0;
  for (const [line, ofLine] of mappings.entries()) {
    for (const [column, source, originalLine, , nameIndex] of ofLine) {
      if (end % (ROW * SLICE) === 0) yield;
      if (!isPosition(column)) throw new Error(`column ${column}`);
      const code = codeLines[line] ?? '';
      const file =
        isPosition(originalLine) &&
        !COMMENTS.has(code.slice(column, column + 2)) &&
        traced.resolvedSources[source!];
      segments[end++] = line;
      segments[end++] = column;
      segments[end++] = file ? texts.add(file) : NONE;
      segments[end++] = file ? originalLine : 0;

      const name: unknown = file && nameIndex !== undefined && traced.names[nameIndex];
      NAMED_FUNCTION.lastIndex = column;
      const named = typeof name === 'string' && name && NAMED_FUNCTION.exec(code);
      if (named && named[1] !== name)
        renamed.push(line, column + named[0].length, texts.add(named[1]!), texts.add(name));
    }
  }
  yield;
  return { segments, renamed: new Uint32Array(renamed), ...(yield* texts.build()) };
}

/** A section says at which line it begins, and the library makes all the lines before: no more than the script has. */
function checkSections(map: unknown, lines: number): void {
  const { sections = [] } = Object(map) as { sections?: readonly unknown[] };
  for (const section of sections) {
    const { offset, map: inner } = Object(section) as { offset?: { line?: number }; map?: unknown };
    const line = offset?.line ?? Number.NaN;
    if (!(line >= 0 && line <= lines)) throw new Error(`a section at line ${line} of ${lines}`);
    checkSections(inner, lines - line);
  }
}

/** Some servers put a line before JSON, so that no page can load it as a script. */
function withoutGuard(map: string): string {
  return map.startsWith(")]}'") ? map.slice(map.indexOf('\n') + 1) : map;
}

/** Numbers texts, each once. */
class TextTable {
  private readonly indexes = new Map<string, number>();

  add(text: string): number {
    let index = this.indexes.get(text);
    if (index === undefined) this.indexes.set(text, (index = this.indexes.size));
    return index;
  }

  *build(): Generator<void, Pick<CompactMap, 'texts' | 'textEnds'>> {
    const textEnds = new Uint32Array(this.indexes.size);
    let end = 0;
    for (const [text, index] of this.indexes) {
      if (index % SLICE === 0) yield;
      textEnds[index] = end += Buffer.byteLength(text) + 1;
    }
    return { texts: new TextEncoder().encode([...this.indexes.keys()].join('\n')), textEnds };
  }
}

function isPosition(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_POSITION;
}
