import { eachLine, ROW, type Segments, type SourceMap } from './mappings.js';

/** A frame's location in the code that V8 runs. Lines and columns are one-based; 0 if unknown. */
export interface CodePlace {
  readonly functionName: string;
  readonly functionLine: number;
  readonly functionColumn: number;
  readonly line: number;
  /** In that line; omitted if unknown. */
  readonly column?: number;
}

/** A frame's location in its source. */
export interface MappedFrame extends SourceLine {
  /** 0 if unknown. */
  readonly startLine: number;
  /** The function's name in the source, if it was renamed. */
  readonly functionName?: string | undefined;
}

/** A line of a source, one-based. */
interface SourceLine {
  /** Index of the source in the map. */
  readonly source: number;
  readonly line: number;
}

/** What a map contains for a line of code. */
interface MappedLine {
  /** The location of the line, if all of it is from one source line. */
  readonly all: SourceLine | undefined;
  /** The location of each column at which a function begins or that was executing; columns are zero-based. */
  readonly columns: ReadonlyMap<number, SourceLine | undefined>;
  /** The names of renamed functions, by zero-based column. */
  readonly renamed: ReadonlyMap<number, { readonly from: string; readonly to: string }>;
}

/**
 * Bundlers fold a long call into one line of code; then the call's first line is used. If a line has more than one statement, or a
 * function, the executing source line is unknown. (A semicolon in a string only leads to a missing line.)
 */
const MORE_THAN_A_CALL = /;\s*\S|=>|\bfunction\b|\)\s*\{\s*\S/;

/** Frames between two yields. */
const SLICE = 200;

/**
 * Looks up frames in the map of their script.
 *
 * @param codeLines the lines of code that {@link linesOf} returns, by zero-based number
 * @returns the location of each frame; undefined if the map does not contain it
 * @throws Error if the map is broken
 */
export function* mapFrames(
  map: SourceMap,
  codeLines: ReadonlyMap<number, string>,
  frames: readonly CodePlace[],
): Generator<void, (MappedFrame | undefined)[]> {
  const columns = new Map<number, Set<number>>();
  const note = (line: number, column: number): void => {
    if (column > 0) columns.set(line - 1, (columns.get(line - 1) ?? new Set()).add(column - 1));
  };
  for (const { functionLine, functionColumn, line, column = 0 } of frames) {
    note(functionLine, functionColumn);
    note(line, column);
  }
  const lines = new Map<number, MappedLine>();
  yield* eachLine(map, linesOf(frames), (line, segments) => {
    lines.set(line, mappedLine(map, segments, codeLines.get(line) ?? '', columns.get(line) ?? new Set()));
  });
  const mapped: (MappedFrame | undefined)[] = [];
  for (const [i, frame] of frames.entries()) {
    if (i % SLICE === SLICE - 1) yield;
    mapped.push(mapFrame(lines, frame));
  }
  return mapped;
}

/** The zero-based lines of frames, and those at which their functions begin. */
export function linesOf(frames: readonly CodePlace[]): Set<number> {
  return new Set(frames.flatMap(({ line, functionLine }) => [line - 1, functionLine - 1]));
}

function mapFrame(lines: ReadonlyMap<number, MappedLine>, frame: CodePlace): MappedFrame | undefined {
  const { line, column = 0, functionLine, functionColumn } = frame;
  const ofFunction = functionColumn > 0 ? lines.get(functionLine - 1) : undefined;
  const begin = ofFunction?.columns.get(functionColumn - 1);
  // In the function's first line, use the function's start: a minified bundle may be a single line.
  const isFirstLine = functionColumn > 0 && line === functionLine;
  const ofLine = lines.get(line - 1);
  const executing = ofLine?.columns.get(column - 1) ?? ofLine?.all;
  const at = isFirstLine ? begin : (executing ?? (begin && { ...begin, line: 0 }));
  if (!at) return undefined;
  // A function and its lines should be in one file. If the map disagrees, use the file of the line.
  if (begin?.source !== at.source) return { ...at, startLine: 0 };
  const renamed = ofFunction!.renamed.get(functionColumn - 1);
  const functionName = renamed?.from === frame.functionName ? renamed.to : undefined;
  return { ...at, startLine: begin.line, functionName };
}

function mappedLine(
  map: SourceMap,
  segments: Segments,
  code: string,
  columns: ReadonlySet<number>,
): MappedLine {
  const sourceLine = (at: number): SourceLine | undefined => {
    const [column, source, line] = [segments[at]!, segments[at + 1]!, segments[at + 2]!];
    const isWritten = map.sources[source] && line >= 0 && !COMMENTS.has(code.slice(column, column + 2));
    return isWritten ? { source, line: line + 1 } : undefined;
  };
  return {
    all: lineOfAll(segments, code, sourceLine),
    columns: new Map(
      [...columns].map((column) => {
        const at = segmentAt(segments, column);
        return [column, at < 0 ? undefined : sourceLine(at)] as const;
      }),
    ),
    renamed: columns.size > 0 ? renamedIn(map, segments, code, columns) : new Map(),
  };
}

/** The source line of the first segment that has one, if all of the line is from there. */
function lineOfAll(
  segments: Segments,
  code: string,
  sourceLine: (at: number) => SourceLine | undefined,
): SourceLine | undefined {
  let first: SourceLine | undefined;
  let isFolded = false;
  for (let i = 0; i < segments.length; i += ROW) {
    const at = sourceLine(i);
    if (!at) continue;
    first ??= at;
    if (at.source !== first.source) return undefined;
    isFolded ||= at.line !== first.line;
  }
  return isFolded && MORE_THAN_A_CALL.test(code) ? undefined : first;
}

/**
 * The last segment that begins at or before a column; if several begin at it, the first of them, like other readers of maps. -1 if
 * there is none.
 */
function segmentAt(segments: Segments, column: number): number {
  let low = 0;
  for (let high = segments.length / ROW; low < high;) {
    const middle = (low + high) >>> 1;
    if (segments[middle * ROW]! < column) low = middle + 1;
    else high = middle;
  }
  return segments[low * ROW] === column ? low * ROW : (low - 1) * ROW;
}

/**
 * Start and end of a comment that code can follow in the same line. Some tools map these locations too, which would lead to the
 * comment's line.
 */
const COMMENTS: ReadonlySet<string> = new Set(['/*', '*/']);

/** All quantifiers are bounded, because a map may point to the same long piece of code many times. */
const NAME = String.raw`[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]{0,200}`;
const SPACE = String.raw`[ \t]{0,9}`;
const FUNCTION = String.raw`(?:async[ \t]{1,9})?function${SPACE}\*?${SPACE}(?=\()`;
const ARROW = String.raw`(?=(?:async\b${SPACE})?(?:\(|${NAME}${SPACE}=>))`;
/**
 * A function's name in `name(…) {` or `name = …`, up to where the function begins according to V8: at its parameters, or at the
 * first character of an arrow function. Calls look like declarations and match too, but no function begins there.
 */
const NAMED_FUNCTION = new RegExp(
  String.raw`(#?${NAME})(?:(?=\()|${SPACE}=(?![=>])${SPACE}(?:${FUNCTION}|${ARROW}))`,
  'uy',
);

function renamedIn(
  map: SourceMap,
  segments: Segments,
  code: string,
  columns: ReadonlySet<number>,
): MappedLine['renamed'] {
  const renamed = new Map<number, { from: string; to: string }>();
  for (let i = 0; i < segments.length; i += ROW) {
    const to = map.names[segments[i + 3]!];
    if (typeof to !== 'string' || to === '' || !map.sources[segments[i + 1]!]) continue;
    NAMED_FUNCTION.lastIndex = segments[i]!;
    const [found, from] = NAMED_FUNCTION.exec(code) ?? [];
    if (found === undefined || from === to) continue;
    const begin = segments[i]! + found.length;
    if (columns.has(begin) && !renamed.has(begin)) renamed.set(begin, { from: from!, to });
  }
  return renamed;
}
