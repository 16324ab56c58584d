import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Injectable } from '@nestjs/common';
import type { PlaceInCode } from '../../format/builder.js';
import type { RawFrame } from '../../sampling/sampler.js';
import { ClassNames } from './class-names.js';
import { type HoldMeter, runSliced } from '../loop.js';
import { addressFor } from './symbol-table.js';
import { type OriginalPlace, SourceMapper } from './source-maps/source-mapper.js';

/** Frames between two yields. */
const PIECE = 50;

/** Makes of V8's frames what a profile shows: the source that a person wrote, and names that tell functions apart. */
@Injectable()
export class FrameResolver {
  constructor(
    private readonly sourceMapper: SourceMapper,
    private readonly classNames: ClassNames,
  ) {}

  /** The place of each frame. */
  async resolve(frames: readonly RawFrame[], holds: HoldMeter): Promise<PlaceInCode[]> {
    const originalOf = await this.sourceMapper.load(frames, holds);
    const classNameOf = await this.classNames.load(frames, holds);
    return runSliced(
      places(frames, (frame) => placeOf(frame, originalOf(frame), classNameOf(frame))),
      holds,
    );
  }
}

function* places(
  frames: readonly RawFrame[],
  placeOf: (frame: RawFrame) => PlaceInCode,
): Generator<void, PlaceInCode[]> {
  const found: PlaceInCode[] = [];
  for (let i = 0; i < frames.length; i++) {
    if (i % PIECE === 0) yield;
    found.push(placeOf(frames[i]!));
  }
  return found;
}

/** A frame that stands for no code, such as `(external)`. */
export function placeNamed(name: string): PlaceInCode {
  return placeOf({ functionName: name, url: '', scriptId: 0, functionLine: 0, functionColumn: 0, line: 0 });
}

/** The address is that of V8's frame: neither a better name nor a map that cannot be read moves it. */
function placeOf(frame: RawFrame, original?: OriginalPlace, className?: string): PlaceInCode {
  const filename = filenameOf(frame.url);
  const shown = original ?? { filename, line: frame.line, startLine: frame.functionLine };
  const { line, functionColumn: column } = frame;
  const name = displayName(original?.functionName ?? frame.functionName, className, shown, frame);
  return {
    address: addressFor({ functionName: frame.functionName, filename, line, column }, name),
    functionName: name,
    filename: shown.filename,
    startLine: shown.startLine,
    line: shown.line,
    column: 0,
  };
}

/**
 * An anonymous function is named by its file and the line where it begins, or the one that was executing where the
 * sampler does not say. No `<`, `::` or slash: what clients take for another language's name they shorten.
 */
function displayName(
  name: string,
  className: string | undefined,
  { filename, startLine, line }: OriginalPlace,
  { functionColumn }: RawFrame,
): string {
  if (name !== '') return className === undefined ? name : `${className}.${name}`;
  if (filename === '') return '(anonymous)';
  const column = functionColumn > 0 ? `:${functionColumn}` : '';
  return `(anonymous ${basename(filename)}:${startLine || line}${column})`;
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
