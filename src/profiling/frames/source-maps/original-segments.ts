import type { RawFrame } from '../../../sampling/sampler.js';
import { type CompactMap, NONE, originalName, segmentAt, segmentOfLine } from './compact-map.js';

/** Where a frame is in its source, of which only the index in the map is known yet. */
export interface MappedFrame {
  readonly source: number;
  readonly line: number;
  /** 0 where unknown. */
  readonly startLine: number;
  readonly functionName?: string;
}

/** Looks a frame up in the map of its script; undefined where the map does not tell. */
export function mapFrame(map: CompactMap, frame: RawFrame): MappedFrame | undefined {
  const begin = functionBegin(map, frame);
  const at = executing(map, frame, begin);
  const source = at === NONE ? NONE : map.source[at]!;
  if (source === NONE) return undefined;

  const line = map.originalLine[at]! + 1;
  // A function and its lines are in one file. If the map says otherwise, its word on the line counts.
  if (begin === NONE || map.source[begin] !== source) return { source, line, startLine: 0 };
  const name = originalName(map, frame.functionLine - 1, frame.functionColumn - 1, frame.functionName);
  return {
    source,
    line,
    startLine: map.originalLine[begin]! + 1,
    ...(name && { functionName: name }),
  };
}

function functionBegin(map: CompactMap, { functionLine, functionColumn }: RawFrame): number {
  if (functionLine < 1 || functionColumn < 1) return NONE;
  return segmentAt(map, functionLine - 1, functionColumn - 1);
}

/**
 * The segment of the line that was executing. If it is the one in which the function begins, that place is the better
 * one: all of a minified bundle may be in one line. So it is where the line is not told apart.
 */
function executing(map: CompactMap, { line, functionLine, functionColumn }: RawFrame, begin: number): number {
  if (functionColumn > 0 && line === functionLine) return begin;
  const whole = segmentOfLine(map, line - 1);
  return whole === NONE ? begin : whole;
}
