import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Injectable } from '@nestjs/common';
import { type PlaceInCode, ProfileBuilder } from '../../format/builder.js';
import type { Labels, Profile, ProfileHeader } from '../../format/profile.js';
import type { CallTree, RawFrame } from '../../sampling/sampler.js';
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

  /**
   * Begins to read the source maps that the frames of a capture will need.
   *
   * @returns what ends it
   */
  readAhead(holds: HoldMeter): () => Promise<void> {
    return this.sourceMapper.readAhead(holds);
  }

  /**
   * Keeps what reads source maps: for who resolves frames again and again.
   *
   * @returns what ends that
   */
  keepReader(): () => Promise<void> {
    return this.sourceMapper.keepThread();
  }

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
function placeNamed(name: string): PlaceInCode {
  return placeOf({ functionName: name, url: '', scriptId: 0, functionLine: 0, functionColumn: 0, line: 0 });
}

/** The address is that of V8's frame: neither a better name nor a map that cannot be read moves it. */
function placeOf(frame: RawFrame, original?: OriginalPlace, className?: string): PlaceInCode {
  const filename = filenameOf(frame.url);
  const shown = original ?? { filename, line: frame.line, startLine: frame.functionLine };
  const { line, functionColumn, column = functionColumn } = frame;
  const name = displayName(original?.functionName ?? frame.functionName, className, shown, frame);
  return {
    address: addressFor({ functionName: frame.functionName, filename, line, column }, name),
    functionName: name,
    filename: shown.filename,
    startLine: shown.startLine,
    line: shown.filename === '' ? 0 : shown.line, // of code from `eval`, of which V8 may tell no name
    column: 0,
  };
}

/**
 * An anonymous function is named by its file and the line where it begins, or the line that was executing if the
 * sampler does not report the first. Without `<` and `::`, by which clients detect C++ names and shorten them.
 */
function displayName(
  name: string,
  className: string | undefined,
  { filename, startLine, line }: OriginalPlace,
  { functionColumn }: RawFrame,
): string {
  if (name !== '') return className === undefined ? name : `${className}.${name}`;
  if (filename === '') return '(anonymous)';
  const begin = [startLine || line, functionColumn];
  const at = begin.slice(0, begin.indexOf(0) < 0 ? 2 : begin.indexOf(0)).map((one) => `:${one}`);
  return `(anonymous ${pathInPackage(filename) ?? basename(filename)}${at.join('')})`;
}

const PACKAGES = /(?:^|[\\/])node_modules[\\/]/;

/** `@nestjs/core/router/router-proxy.js`; undefined for a file outside of `node_modules`. */
function pathInPackage(filename: string): string | undefined {
  const inner = filename.split(PACKAGES); // of nested packages, and pnpm's, the last is the one
  return inner.length > 1 ? inner.at(-1)!.replaceAll('\\', '/') : undefined;
}

/** Files that a comment names. */
const FILES_NAMED = 3;

/** A comment on frames that are in a file but have no line, although V8 reported one. */
export function missingLines(frames: readonly RawFrame[], places: readonly PlaceInCode[]): string[] {
  const files = new Set(
    places
      .filter(({ line, filename }, i) => line === 0 && filename !== '' && frames[i]!.line > 0)
      .map(({ filename }) => filename),
  );
  if (files.size === 0) return [];
  const named = [...files].slice(0, FILES_NAMED).join(', ') + (files.size > FILES_NAMED ? ', …' : '');
  return [
    `no lines for some frames in ${named}: their source map does not tell them, or what runs is not what is in the file`,
  ];
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

/** A sample: a node of a call tree, or frames that stand for no code, outermost first. */
export interface WeighedStack {
  readonly at: number | readonly string[];
  /** In the order of the profile's sample types; with nothing but zeros it is no sample. */
  readonly values: readonly number[];
  readonly labels?: Labels;
}

/** For stacks that are all given by names. */
export const NO_TREE: CallTree = { frames: [], frameOf: [], parentOf: [] };

/** Stacks between two yields. */
const STACKS = 10;

/**
 * Joins what was sampled and the format: raw stacks and their values become a profile.
 *
 * @param places for each frame of the tree what is shown of it
 */
export function* buildStackProfile(
  header: ProfileHeader,
  { frameOf, parentOf }: CallTree,
  places: readonly PlaceInCode[],
  stacks: Iterable<WeighedStack>,
): Generator<void, Profile> {
  const builder = new ProfileBuilder();
  const locationOf: (number | undefined)[] = [];
  const locationAt = (frame: number): number => (locationOf[frame] ??= builder.location(places[frame]!));

  let count = 0;
  for (const { at, values, labels } of stacks) {
    if (++count % STACKS === 0) yield;
    if (values.every((value) => value === 0)) continue;
    const stack: number[] = [];
    if (typeof at === 'number')
      for (let node = at; node >= 0; node = parentOf[node]!) stack.push(locationAt(frameOf[node]!));
    else for (const name of at.toReversed()) stack.push(builder.location(placeNamed(name)));
    builder.sample(stack, values, labels && builder.labels(labels));
  }
  return yield* builder.build(header, process.argv[1] ?? process.execPath);
}
