import { closeSync, existsSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join, normalize, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseMap, type SourceMap } from './mappings.js';

/** A script's map, and the files to which its sources are relative. */
export interface ScriptMap {
  readonly map: SourceMap;
  readonly script: string;
  readonly mapFile: string;
}

/** Must not match the same text in a string or a template. */
const COMMENT = /^\/\/[#@][ \t]sourceMappingURL=([^ \t\r\n'"`]+)[ \t\r]*$/;
const WORD = 'sourceMappingURL=';
const DATA_URL = /^data:[^,]*?(;base64)?,/;

/** After a namespace, which is a package name. */
const WEBPACK = /^webpack:\/\/(?:@[^/]+\/)?[^/]*\/([^?]*)/;
/** Modules that webpack generates. */
const WEBPACKS_OWN = /^(\(?webpack\)?\/|external |ignored\|)/;
const SCHEME = /^[a-z][a-z\d+.-]+:/i;

/**
 * Reads a script's map: the one that the script's last `sourceMappingURL` comment names, or the one next to the script if there is
 * no such comment.
 *
 * @param script path or name of the script
 * @param code the script's code
 * @param isOnDisk whether the script is a file, so that its map can be one too
 * @returns undefined if the map is missing or broken
 */
export function loadMap(script: string, code: Buffer, isOnDisk: boolean): ScriptMap | undefined {
  try {
    const url = mapUrlIn(code);
    const isInline = url?.startsWith('data:') === true;
    if (!isInline && !isOnDisk) return undefined;
    const mapFile = isInline ? script : fileOf(url, script);
    const text = isInline ? inlineMap(url!) : contentOf(mapFile);
    return { map: parsed(text, code), script, mapFile };
  } catch {
    return undefined; // no such file, not readable, not on this machine, or not a map
  }
}

/** After a thread ends, the C library may keep its memory blocks that are larger than this and smaller than 32 MiB. */
const KEPT_FROM = 64 * 1024;
const KEPT_BELOW = 32 * 1024 * 1024;

/** @throws Error if it is not a regular file: reading a pipe might never end */
export function contentOf(path: string): Buffer {
  if (!statSync(path).isFile()) throw new Error(`${path} is not a file`);
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const bytes = Buffer.allocUnsafeSlow(size < KEPT_FROM ? size : Math.max(size, KEPT_BELOW));
    let length = 0;
    for (let read = -1; read !== 0 && length < size; length += read)
      read = readSync(file, bytes, length, size - length, length);
    return bytes.subarray(0, length);
  } finally {
    closeSync(file);
  }
}

/** In characters. Longer strings are allocated outside V8's heap, see {@link contentOf}. */
const LONGEST_PIECE = 1_000_000;

function* latin1(bytes: Buffer): Generator<string> {
  for (let at = 0; at < bytes.length; at += LONGEST_PIECE)
    yield bytes.toString('latin1', at, at + LONGEST_PIECE);
}

/**
 * The file of a map's source: an absolute path if possible, otherwise the name in the map.
 *
 * @returns undefined for generated modules
 */
export function fileOfSource(source: string, { script, mapFile }: ScriptMap): string | undefined {
  const webpack = WEBPACK.exec(source);
  if (webpack) return fileOfWebpackModule(webpack[1]!, script);
  if (SCHEME.test(source) && !source.startsWith('file:')) return source;
  const byUrl = pathOf(source, mapFile);
  // Sources should be URLs, but some tools don't escape these characters.
  if (!/[%#?]/.test(source) || (byUrl !== undefined && existsSync(byUrl))) return byUrl;
  const asWritten = resolve(dirname(mapFile), source);
  return existsSync(asWritten) ? asWritten : byUrl;
}

/** Names are relative to the directory in which webpack ran. A bundle does not contain it, so parent directories are tried. */
function fileOfWebpackModule(name: string, script: string): string | undefined {
  if (WEBPACKS_OWN.test(name)) return undefined;
  if (isAbsolute(name)) return normalize(name);
  const paths = [...ancestorsOf(script), '.'].map((directory) => join(directory, name));
  const found = paths.find((path) => existsSync(path));
  return found === undefined ? normalize(name) : resolve(found);
}

/** The parent directories of a path, nearest first. */
export function* ancestorsOf(path: string): Generator<string> {
  for (let at = dirname(path), below = path; at !== below; below = at, at = dirname(at)) yield at;
}

/** The last comment that names a map. */
function mapUrlIn(code: Buffer): string | undefined {
  for (let at = code.lastIndexOf(WORD); at > 3; at = code.lastIndexOf(WORD, at - 1)) {
    const end = code.indexOf('\n', at);
    const line = code.subarray(at - '//# '.length, end < 0 ? undefined : end).toString();
    const url = COMMENT.exec(line)?.[1];
    if (url !== undefined) return url;
  }
  return undefined;
}

/** @throws Error if it is not a valid `data:` URL */
function inlineMap(url: string): Buffer {
  const [head, base64] = DATA_URL.exec(url)!;
  const data = url.slice(head.length);
  return Buffer.from(base64 ? data : decodeURIComponent(data), base64 ? 'base64' : 'utf8');
}

/** Parses a map as Latin-1, which takes half the memory; the needed texts are decoded afterwards. */
function parsed(text: Buffer, code: Buffer): SourceMap {
  const start = text.indexOf(BYTE_ORDER_MARK) === 0 ? BYTE_ORDER_MARK.length : 0;
  const json = withoutContents(text.subarray(start)).join('');
  const { mappings, sources, names } = parseMap(json, () => lineCount(code));
  return {
    mappings,
    sources: sources.map(fromLatin1),
    names: names.map((name) => fromLatin1(String(name ?? ''))),
  };
}

const BYTE_ORDER_MARK = Buffer.from('\uFEFF');
const CONTENTS = '"sourcesContent"';
const [QUOTE, BACKSLASH, BRACKET] = [...Buffer.from('"\\]')];

/** A map as Latin-1 without the text of its sources, which is most of a large map and not needed. */
function withoutContents(map: Buffer): string[] {
  const pieces: string[] = [];
  let begin = 0;
  for (let key = map.indexOf(CONTENTS); key >= 0; key = map.indexOf(CONTENTS, key + 1)) {
    const start = key + CONTENTS.length;
    const isKey = map[key - 1] !== BACKSLASH && /^\s*:\s*\[/.exec(map.toString('latin1', start, start + 20));
    if (!isKey) continue; // the same text in a string, or a name
    const contents = start + isKey[0].length;
    pieces.push(...latin1(map.subarray(begin, contents)));
    key = begin = endOfArray(map, contents);
  }
  return [...pieces, ...latin1(map.subarray(begin))];
}

/** The index of the bracket that closes an array of strings and nulls. */
function endOfArray(json: Buffer, start: number): number {
  let at = start;
  while (at < json.length && json[at] !== BRACKET) at = json[at] === QUOTE ? endOfString(json, at) : at + 1;
  return at;
}

/** @throws Error if the string is not terminated */
function endOfString(json: Buffer, start: number): number {
  for (let quote = json.indexOf(QUOTE!, start + 1); quote >= 0; quote = json.indexOf(QUOTE!, quote + 1)) {
    let at = quote;
    while (json[at - 1] === BACKSLASH) at--;
    if ((quote - at) % 2 === 0) return quote + 1;
  }
  throw new Error('unterminated string');
}

/** Decodes UTF-8 that was read as Latin-1. Text with an escape such as \u00e4 in JSON is not such text, and is kept. */
function fromLatin1(text: string): string {
  // oxlint-disable-next-line no-control-regex -- ASCII is the same in both
  if (/^[\x00-\x7f]*$/.test(text) || /[^\x00-\xff]/.test(text)) return text;
  const decoded = Buffer.from(text, 'latin1').toString();
  return decoded.includes('\uFFFD') ? text : decoded;
}

function lineCount(code: Buffer): number {
  let lines = 1;
  for (let at = code.indexOf(10); at >= 0; at = code.indexOf(10, at + 1)) lines++;
  return lines;
}

/** The file of a map: the one that a comment names, or the one next to the script. */
function fileOf(url: string | undefined, script: string): string {
  if (url === undefined) return `${script}.map`;
  return pathOf(url, script) ?? resolve(dirname(script), url); // the URL may contain an unescaped percent sign
}

/** The path of a reference relative to a file; undefined if it is not a path on this machine. */
function pathOf(reference: string, file: string): string | undefined {
  try {
    return fileURLToPath(new URL(reference, pathToFileURL(file)));
  } catch {
    return undefined;
  }
}
