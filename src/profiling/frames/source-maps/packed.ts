/**
 * Compact frames and locations for messages between threads: sending objects would hold the event loop ten times as long.
 */
import type { CodePlace } from './map-frames.js';
import type { OriginalPlace } from './script-reader.js';

/** Frames: names, and four numbers each: line, first line and column of the function, and column or 0. */
export interface PackedFrames {
  readonly names: readonly string[];
  readonly numbers: Uint32Array;
}

export function packFrames(frames: readonly CodePlace[]): PackedFrames {
  return {
    names: frames.map(({ functionName }) => functionName),
    numbers: Uint32Array.from(
      frames.flatMap(({ line, functionLine, functionColumn, column = 0 }) => [
        line,
        functionLine,
        functionColumn,
        column,
      ]),
    ),
  };
}

export function unpackFrames({ names, numbers }: PackedFrames): CodePlace[] {
  return names.map((functionName, i) => {
    const [line = 0, functionLine = 0, functionColumn = 0, column] = numbers.subarray(i * 4);
    return { functionName, line, functionLine, functionColumn, ...(column && { column }) };
  });
}

/** Locations: texts, and four numbers each: file (an index, 0 to keep the frame unchanged), line, first line, name (an index). */
export interface PackedPlaces {
  readonly texts: readonly string[];
  readonly numbers: Uint32Array;
}

export function packPlaces(places: readonly (OriginalPlace | undefined)[]): PackedPlaces {
  const texts = new Map([['', 0]]);
  const indexOf = (text: string): number => {
    const index = texts.get(text) ?? texts.size;
    texts.set(text, index);
    return index;
  };
  const numbers = places.flatMap((place) => {
    if (!place) return [0, 0, 0, 0];
    const { filename, line, startLine, functionName = '' } = place;
    return [indexOf(filename), line, startLine, indexOf(functionName)];
  });
  return { texts: [...texts.keys()], numbers: Uint32Array.from(numbers) };
}

/** The location at an index. */
export function placeAt({ texts, numbers }: PackedPlaces, i: number): OriginalPlace | undefined {
  const [file, line, startLine, name] = numbers.subarray(i * 4);
  if (!file) return undefined;
  return {
    filename: texts[file]!,
    line: line!,
    startLine: startLine!,
    functionName: texts[name!] || undefined,
  };
}
