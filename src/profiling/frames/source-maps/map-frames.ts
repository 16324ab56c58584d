import { eachLine, ROW, type Segments, type SourceMap } from './mappings.js';

/** A frame's place in the code that V8 runs. Lines and columns are from 1; 0 where unknown. */
export interface CodePlace {
  readonly functionName: string;
  readonly functionLine: number;
  readonly functionColumn: number;
  readonly line: number;
  /** In that line; left out where unknown. */
  readonly column?: number;
}

/** Where a frame is in its source. */
export interface MappedFrame extends SourceLine {
  /** 0 where unknown. */
  readonly startLine: number;
  /** What the function is called there, if it has been renamed. */
  readonly functionName?: string | undefined;
}

/** A line of a source, from 1. */
interface SourceLine {
  /** An index. */
  readonly source: number;
  readonly line: number;
}

/** What a map says of a line of code. */
interface MappedLine {
  /** The line's place, if all of it is from there. */
  readonly all: SourceLine | undefined;
  /** The place of each column that a function begins at, or that was executing, from 0. */
  readonly columns: ReadonlyMap<number, SourceLine | undefined>;
  /** For a function that has been renamed its names, by the column, from 0. */
  readonly renamed: ReadonlyMap<number, { readonly from: string; readonly to: string }>;
}

/**
 * A bundler folds a long call into one line of code, and its first line stands for it. A line with more than one statement, or
 * with a function, says nothing: what was executing may be in any of its lines. (A semicolon in a string only makes a line
 * missing.)
 */
const MORE_THAN_A_CALL = /;\s*\S|=>|\bfunction\b|\)\s*\{\s*\S/;

/** Frames between two yields. */
const SLICE = 200;

/**
 * Looks frames up in the map of their script.
 *
 * @param codeLines the lines of the code that {@link linesOf} names, by their number from 0
 * @returns for each frame its place, or undefined where the map does not tell
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

/** The lines, from 0, in which frames are or their functions begin. */
export function linesOf(frames: readonly CodePlace[]): Set<number> {
  return new Set(frames.flatMap(({ line, functionLine }) => [line - 1, functionLine - 1]));
}

function mapFrame(lines: ReadonlyMap<number, MappedLine>, frame: CodePlace): MappedFrame | undefined {
  const { line, column = 0, functionLine, functionColumn } = frame;
  const ofFunction = functionColumn > 0 ? lines.get(functionLine - 1) : undefined;
  const begin = ofFunction?.columns.get(functionColumn - 1);
  // In the line in which the function begins that place is the better one: all of a minified bundle may be in one line.
  const isFirstLine = functionColumn > 0 && line === functionLine;
  const ofLine = lines.get(line - 1);
  const executing = ofLine?.columns.get(column - 1) ?? ofLine?.all;
  const at = isFirstLine ? begin : (executing ?? (begin && { ...begin, line: 0 }));
  if (!at) return undefined;
  // A function and its lines are in one file. If the map says otherwise, its word on the line counts.
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

/** The original line of the first segment of a line that has one, if all of the line is from there. */
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
 * The last segment that begins at a column or before it; of several that begin at it the first, as other readers of maps take
 * it. -1 if there is none.
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
