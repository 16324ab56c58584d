import { createHash } from 'node:crypto';
import { lstatSync, type Stats, statSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LoadedScript } from '../../../sampling/loaded-scripts.js';
import { type CodePlace, linesOf, mapFrames } from './map-frames.js';
import { packPlaces, type PackedFrames, type PackedPlaces, unpackFrames } from './packed.js';
import { ancestorsOf, contentOf, fileOfSource, loadMap, type ScriptMap } from './script-map.js';

/** Where a frame is in the source that a person wrote. */
export interface OriginalPlace {
  /** An absolute path, where the map leads to a file. */
  readonly filename: string;
  /** 0 where unknown. */
  readonly line: number;
  /** Line at which the function begins; 0 where unknown. */
  readonly startLine: number;
  /** What it is called there, if a minifier has renamed it. */
  readonly functionName?: string | undefined;
}

/** Frames of a script to look up. */
export interface ScriptQuery {
  /** V8's name of the script. */
  readonly url: string;
  readonly frames: PackedFrames;
  /** The process may have changed code when it loaded it. */
  readonly mayBeTransformed: boolean;
  /** What V8 says of the script; null if it says nothing, undefined if it has not been asked. */
  readonly loaded?: LoadedScript | null | undefined;
}

/** The place of each frame; `doubtful` if V8 has to be asked for the script first. */
export type ScriptAnswer = PackedPlaces | 'doubtful';

/** The code that V8 runs. */
interface Code {
  readonly bytes: Buffer;
  readonly isOnDisk: boolean;
}

const BYTE_ORDER_MARK = '\uFEFF';
/** Bytes between two yields. */
const SLICE = 1 << 20;
/** Lines between two yields. */
const LINES = 5000;

/**
 * Looks frames up in the maps of their scripts. A line is right or missing: a file is believed if it is what V8 runs. That is
 * so where nothing can have changed it, in the process or on the disk; elsewhere by the hash that V8 has of its code.
 */
export class ScriptReader {
  /** Of scripts on disk, read ahead. */
  private readonly maps = new Map<string, ScriptMap | undefined>();

  /** Reads the map of a script on disk before frames are asked for. */
  readAhead(path: string): void {
    try {
      this.maps.set(path, loadMap(path, contentOf(path), true));
    } catch {
      // the frames will tell
    }
  }

  *answer(query: ScriptQuery): Generator<void, ScriptAnswer> {
    const { url, mayBeTransformed, loaded } = query;
    const path = pathOf(url);
    const file = path === undefined ? undefined : fileAt(path);
    if (loaded === undefined) {
      const isCertain =
        path !== undefined && isJavaScript(path) && !(file && (mayBeTransformed || mayBeReplaced(path)));
      if (!isCertain) return 'doubtful';
    }
    const frames = unpackFrames(query.frames);
    const code = loaded === undefined ? onDisk(file) : yield* codeOf(file, loaded);
    if (code === 'as it is') return packPlaces(frames.map(() => undefined));
    const lines = code ? yield* textOf(code.bytes, linesOf(frames)) : new Map<number, string>();
    if (loaded === undefined && !frames.every((frame) => isIn(lines, frame))) return 'doubtful';
    // What is called like a file and has other lines than that.
    const unmapped =
      path === undefined || code?.isOnDisk ? undefined : { filename: path, line: 0, startLine: 0 };
    const mapped = code ? yield* this.mapped(path ?? url, code, lines, frames) : [];
    const place = (frame: CodePlace): OriginalPlace | undefined =>
      unmapped ?? (code && inlined(path ?? url, lines, frame));
    return packPlaces(frames.map((frame, i) => mapped[i] ?? place(frame)));
  }

  private *mapped(
    script: string,
    { bytes, isOnDisk }: Code,
    lines: Lines,
    frames: readonly CodePlace[],
  ): Generator<void, (OriginalPlace | undefined)[]> {
    const isRead = isOnDisk && this.maps.has(script);
    const scriptMap = isRead ? this.maps.get(script) : loadMap(script, bytes, isOnDisk);
    yield;
    return scriptMap && !isNewer(scriptMap) ? yield* places(scriptMap, lines, frames) : [];
  }
}

/** Some lines of a code, by their number from 0. */
type Lines = ReadonlyMap<number, string>;

const PLAIN_NAME = /^[a-z_$][\w$]*$/; // constructors have the name of their class

/**
 * Whether a code can have a frame: where its function begins there is its name, or at least that column. Where V8 does not say where
 * that is, it has the line.
 */
function isIn(lines: Lines, { functionName, functionLine, functionColumn, line }: CodePlace): boolean {
  if (functionColumn === 0) return line === 0 || lines.has(line - 1);
  const first = lines.get(functionLine - 1);
  if (first === undefined || first.length < functionColumn - 1) return false;
  const before = first.slice(0, functionColumn - 1);
  if (!PLAIN_NAME.test(functionName) || before.trim() === '') return true; // a function may begin in the line behind its name
  return before.includes(functionName);
}

/** The line is of a function of another file, which V8 has inlined into this one: the line where this one begins is right. */
function inlined(
  filename: string,
  lines: Lines,
  { functionLine, functionColumn, line }: CodePlace,
): OriginalPlace | undefined {
  if (functionColumn === 0 || line === 0 || lines.has(line - 1)) return undefined;
  return { filename, line: functionLine, startLine: functionLine };
}

function onDisk(file: Buffer | undefined): Code | 'as it is' {
  return file ? { bytes: file, isOnDisk: true } : 'as it is';
}

/** What V8 runs, by its own word; undefined if that does not tell. */
function* codeOf(
  file: Buffer | undefined,
  loaded: LoadedScript | null,
): Generator<void, Code | 'as it is' | undefined> {
  if (!loaded) return undefined;
  if (file && (yield* sha256(file)) === loaded.hash) return onDisk(file);
  const { source } = loaded;
  if (source === undefined) return undefined;
  // Node takes types out and leaves lines and columns where they were.
  if (file && isWithoutTypes(source, file.toString())) return 'as it is';
  return { bytes: Buffer.from(source), isOnDisk: false };
}

/** Whether a source is a file with some of its text made blank. */
function isWithoutTypes(source: string, file: string): boolean {
  const code = file.startsWith(BYTE_ORDER_MARK) ? file.slice(1) : file;
  for (let i = 0; i < code.length; i++) {
    if (source[i] !== code[i] && !/\s|;/.test(source[i] ?? '')) return false;
  }
  return /^\s*(\/\/# sourceURL=.*)?\s*$/.test(source.slice(code.length));
}

function* places(
  scriptMap: ScriptMap,
  lines: Lines,
  frames: readonly CodePlace[],
): Generator<void, (OriginalPlace | undefined)[]> {
  const files = new Map<number, string | undefined>();
  const fileOf = (source: number): string | undefined => {
    if (!files.has(source)) files.set(source, fileOfSource(scriptMap.map.sources[source]!, scriptMap));
    return files.get(source);
  };
  try {
    const mapped = yield* mapFrames(scriptMap.map, lines, frames);
    return mapped.map((at) => {
      const filename = at && fileOf(at.source);
      if (filename === undefined) return undefined;
      const { line, startLine, functionName } = at!;
      return { filename, line, startLine, functionName };
    });
  } catch {
    return []; // a broken map is none
  }
}

function* textOf(code: Buffer, wanted: ReadonlySet<number>): Generator<void, Lines> {
  const lines = new Map<number, string>();
  const last = [...wanted].reduce((most, one) => Math.max(most, one), 0);
  for (let line = 0, begin = 0; begin <= code.length && line <= last; line++) {
    if (line % LINES === 0) yield;
    const found = code.indexOf(10, begin);
    const end = found < 0 ? code.length : found;
    if (wanted.has(line)) lines.set(line, code.toString('utf8', begin, end));
    begin = end + 1;
  }
  return lines;
}

function* sha256(code: Buffer): Generator<void, string> {
  const hash = createHash('sha256');
  const start = code.indexOf(BYTE_ORDER_MARK) === 0 ? Buffer.byteLength(BYTE_ORDER_MARK) : 0;
  for (let at = start; at < code.length; at += SLICE) {
    yield;
    hash.update(code.subarray(at, at + SLICE));
  }
  return hash.digest('hex');
}

/** What is on disk is what was written, and not the source of what runs. */
function isJavaScript(url: string): boolean {
  return /\.[cm]?js$/.test(url);
}

/** Undefined for what is no path on this machine. */
function pathOf(url: string): string | undefined {
  try {
    const path = url.startsWith('file:') ? fileURLToPath(url) : url;
    return isAbsolute(path) ? path : undefined;
  } catch {
    return undefined;
  }
}

function fileAt(path: string): Buffer | undefined {
  try {
    return contentOf(path);
  } catch {
    return undefined;
  }
}

/** Whether a file or a directory that it is in may have been replaced since this process started. */
function mayBeReplaced(path: string): boolean {
  return hasChanged(path) || [...ancestorsOf(path)].some(hasMoved);
}

/** Whether the map is of a later build than the script. */
function isNewer({ script, mapFile }: ScriptMap): boolean {
  const directories = new Set(ancestorsOf(script));
  const own = [...ancestorsOf(mapFile)].filter((directory) => !directories.has(directory));
  return (hasChanged(mapFile) || own.some(hasMoved)) && !hasChanged(script);
}

/** Unlike the time of a modification, that of a change cannot be set. */
function hasChanged(path: string): boolean {
  const times = [statOf(path, lstatSync), statOf(path, statSync)]; // of a link, and of what it leads to
  return times.some((stat) => stat !== undefined && stat.ctimeMs > startedAt());
}

/** In ms: the times of a directory in which a file is created differ by no more. */
const SAME_TIME = 10;

/** Whether a directory has its name since this process started. To create a file in it changes it too, and modifies it. */
function hasMoved(directory: string): boolean {
  const stat = statOf(directory, lstatSync);
  if (!stat || stat.ctimeMs <= startedAt()) return false;
  return stat.isSymbolicLink() || stat.ctimeMs - stat.mtimeMs > SAME_TIME;
}

function startedAt(): number {
  return Date.now() - process.uptime() * 1000;
}

function statOf(path: string, read: (path: string) => Stats): Stats | undefined {
  try {
    return read(path);
  } catch {
    return undefined; // there is none
  }
}
