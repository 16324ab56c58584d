import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join, normalize, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type CompactMap, parseMap, textAt } from './compact-map.js';

/** A script's map, and the files of those of its sources that were asked for. */
export interface ScriptMap {
  readonly map: CompactMap;
  readonly script: string;
  /** What the map's sources are relative to. */
  readonly mapFile: string;
  readonly files: Map<number, string | undefined>;
}

/** The same words in a string or a template are no comment. */
const COMMENT = /\/\/[#@][ \t]sourceMappingURL=([^ \t\r\n'"`]+)[ \t\r]*$/gm;
const DATA_URL = /^data:[^,]*?(;base64)?,/;

/** Behind a namespace, which is the name of a package. */
const WEBPACK = /^webpack:\/\/(?:@[^/]+\/)?[^/]*\/([^?]*)/;
/** Modules that webpack itself wrote. */
const WEBPACKS_OWN = /^(\(?webpack\)?\/|external |ignored\|)/;
const SCHEME = /^[a-z][a-z\d+.-]+:/i;

/** How many times the limit a script may be that is read to see whether it has a map. */
const READ = 8;

/**
 * Reads the map of a script that the script's last comment names, or that is beside the script if no comment names one.
 *
 * The files are read at once: within the limit of the main thread that takes a tenth of a millisecond, and asynchronously
 * it would take some nine turns of an event loop that may be busy.
 *
 * @param limit bytes of script and map together
 * @returns undefined if there is no map, or a broken one; `large` if there is more to read than the limit
 */
export function loadMap(script: string): Generator<void, ScriptMap | undefined>;
export function loadMap(script: string, limit: number): Generator<void, ScriptMap | 'large' | undefined>;
export function* loadMap(script: string, limit = Infinity): Generator<void, ScriptMap | 'large' | undefined> {
  try {
    if (sizeOf(script) > READ * limit) return 'large';
    const code = readFileSync(script);
    const url = mapUrlIn(code);
    const isInline = url?.startsWith('data:');
    const mapFile = isInline ? script : fileOf(url, script);
    if (code.length + (isInline ? 0 : sizeOf(mapFile)) > limit) return 'large';
    const map = isInline ? inlineMap(url!) : textOf(readFileSync(mapFile));
    return { map: yield* parseMap(map, textOf(code)), script, mapFile, files: new Map() };
  } catch {
    return undefined; // no such file, not readable, not on this machine, no map
  }
}

/**
 * The file that a source of a map is: an absolute path where there can be one, otherwise what the map calls it.
 *
 * @param source a text of the map
 * @returns undefined for what nobody wrote
 */
export function fileOfSource(scriptMap: ScriptMap, source: number): string | undefined {
  const { map, files } = scriptMap;
  if (!files.has(source)) files.set(source, fileNamed(textAt(map, source), scriptMap));
  return files.get(source);
}

function fileNamed(source: string, { script, mapFile }: ScriptMap): string | undefined {
  const webpack = WEBPACK.exec(source);
  if (webpack) return fileOfWebpackModule(webpack[1]!, script);
  if (SCHEME.test(source) && !source.startsWith('file:')) return source;
  const byUrl = pathOf(source, mapFile);
  // A URL by the book, and what tools write that do not escape these characters.
  if (!/[%#?]/.test(source) || (byUrl !== undefined && existsSync(byUrl))) return byUrl;
  const asWritten = resolve(dirname(mapFile), source);
  return existsSync(asWritten) ? asWritten : byUrl;
}

/** Its names are relative to the directory in which webpack ran, which a bundle does not tell: it is looked for. */
function fileOfWebpackModule(name: string, script: string): string | undefined {
  if (WEBPACKS_OWN.test(name)) return undefined;
  if (isAbsolute(name)) return normalize(name);
  const paths = [...ancestorsOf(script), '.'].map((directory) => join(directory, name));
  const found = paths.find((path) => existsSync(path));
  return found === undefined ? normalize(name) : resolve(found);
}

function* ancestorsOf(path: string): Generator<string> {
  for (let at = dirname(path), below = path; at !== below; below = at, at = dirname(at)) yield at;
}

/** @throws Error if it is no file: to read a pipe might never end */
function sizeOf(path: string): number {
  const found = statSync(path);
  if (!found.isFile()) throw new Error(`${path} is no file`);
  return found.size;
}

/** Without a byte order mark, which JSON does not allow. */
function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** As Latin-1 a large script is searched in a tenth of the time that UTF-8 takes to decode. */
function mapUrlIn(code: Buffer): string | undefined {
  const url = [...code.toString('latin1').matchAll(COMMENT)].at(-1)?.[1];
  return url && textOf(Buffer.from(url, 'latin1'));
}

/** @throws Error if it is no `data:` URL or escaped wrongly */
function inlineMap(url: string): string {
  const [head, base64] = DATA_URL.exec(url)!;
  const data = url.slice(head.length);
  return base64 ? textOf(Buffer.from(data, 'base64')) : decodeURIComponent(data);
}

/** The file of a map: what a comment names, or the one beside the script. */
function fileOf(url: string | undefined, script: string): string {
  if (url === undefined) return `${script}.map`;
  return pathOf(url, script) ?? resolve(dirname(script), url); // a percent sign may escape nothing
}

/** The path of a reference that is relative to a file; undefined if it leads to no path of this machine. */
function pathOf(reference: string, file: string): string | undefined {
  try {
    return fileURLToPath(new URL(reference, pathToFileURL(file)));
  } catch {
    return undefined;
  }
}
