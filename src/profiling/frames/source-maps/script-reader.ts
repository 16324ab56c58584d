import { createHash } from 'node:crypto';
import { lstatSync, type Stats, statSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LoadedScript } from '../../../sampling/loaded-scripts.js';
import { type CodePlace, linesOf, mapFrames } from './map-frames.js';
import { packPlaces, type PackedFrames, type PackedPlaces, unpackFrames } from './packed.js';
import { ancestorsOf, contentOf, fileOfSource, loadMap, type ScriptMap } from './script-map.js';

/** The location of a frame in the original source. */
export interface OriginalPlace {
  /** An absolute path if the map leads to a file. */
  readonly filename: string;
  /** 0 where unknown. */
  readonly line: number;
  /** First line of the function; 0 if unknown. */
  readonly startLine: number;
  /** The function's name in the source, if a minifier has renamed it. */
  readonly functionName?: string | undefined;
}

/** Frames of a script to look up. */
export interface ScriptQuery {
  /** V8's name for the script. */
  readonly url: string;
  readonly frames: PackedFrames;
  /** The process may transform code when it loads it. */
  readonly mayBeTransformed: boolean;
  /** V8's data about the script; null if it has none, undefined if it was not asked. */
  readonly loaded?: LoadedScript | null | undefined;
}

/** The location of each frame; `doubtful` if V8 must be asked about the script first. */
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
 * Looks up frames in the source maps of their scripts. Lines are either correct or missing: a file is used only if it is what V8
 * runs. That is certain if nothing can have changed the code, in the process or on disk; otherwise V8's hash of the code decides.
 */
export class ScriptReader {
  /** Maps of scripts on disk that were read ahead. */
  private readonly maps = new Map<string, ScriptMap | undefined>();

  /** Reads the map of a script on disk before frames are looked up. */
  readAhead(path: string): void {
    try {
      this.maps.set(path, loadMap(path, contentOf(path), true));
    } catch {
      // the error will show again when frames are looked up
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
    // A script that has the name of a file but other lines.
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

/** Some lines of code, by zero-based number. */
type Lines = ReadonlyMap<number, string>;

const PLAIN_NAME = /^[a-z_$][\w$]*$/; // not constructors, which have the name of their class

/**
 * Whether code can contain a frame: the function's name, or at least the column, is where the function begins. If V8 does not
 * report that location: whether the line exists.
 */
function isIn(lines: Lines, { functionName, functionLine, functionColumn, line }: CodePlace): boolean {
  if (functionColumn === 0) return line === 0 || lines.has(line - 1);
  const first = lines.get(functionLine - 1);
  if (first === undefined || first.length < functionColumn - 1) return false;
  const before = first.slice(0, functionColumn - 1);
  if (!PLAIN_NAME.test(functionName) || before.trim() === '') return true; // a function may begin in the line after its name
  return before.includes(functionName);
}

/** If the line is of another file's function that V8 inlined into this one, the place is this function's first line. */
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

/** The code that V8 runs, according to V8; undefined if unknown. */
function* codeOf(
  file: Buffer | undefined,
  loaded: LoadedScript | null,
): Generator<void, Code | 'as it is' | undefined> {
  if (!loaded) return undefined;
  if (file && (yield* sha256(file)) === loaded.hash) return onDisk(file);
  const { source } = loaded;
  if (source === undefined) return undefined;
  // Node's type stripping keeps lines and columns.
  if (file && isWithoutTypes(source, file.toString())) return 'as it is';
  return { bytes: Buffer.from(source), isOnDisk: false };
}

/** Whether a source equals a file except for text that was replaced by blanks. */
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
    return []; // ignore a broken map
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

/** Other files, such as TypeScript, are not what V8 runs. */
function isJavaScript(url: string): boolean {
  return /\.[cm]?js$/.test(url);
}

/** Undefined if it is not a path on this machine. */
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

/** Whether a file or one of its parent directories may have been replaced since this process started. */
function mayBeReplaced(path: string): boolean {
  return hasChanged(path) || [...ancestorsOf(path)].some(hasMoved);
}

/** Whether the map is from a later build than the script. */
function isNewer({ script, mapFile }: ScriptMap): boolean {
  const directories = new Set(ancestorsOf(script));
  const own = [...ancestorsOf(mapFile)].filter((directory) => !directories.has(directory));
  return (hasChanged(mapFile) || own.some(hasMoved)) && !hasChanged(script);
}

/** Uses ctime, which can't be set, unlike mtime. */
function hasChanged(path: string): boolean {
  const times = [statOf(path, lstatSync), statOf(path, statSync)]; // of a link, and of its target
  return times.some((stat) => stat !== undefined && stat.ctimeMs > startedAt());
}

/** Maximum difference of ctime and mtime, in ms, when a file is created in a directory. */
const SAME_TIME = 10;

/** Whether a directory was renamed since this process started. Creating a file in it sets ctime too, but also mtime. */
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
    return undefined; // it does not exist
  }
}
