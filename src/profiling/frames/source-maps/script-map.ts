import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** A script and its source map, as read and not looked into yet: that would hold the event loop. */
export interface ScriptWithMap {
  readonly code: Buffer;
  readonly map: MapBytes;
  /** What the map's sources are relative to. */
  readonly mapFile: string;
}

interface MapBytes {
  readonly bytes: Buffer;
  readonly encoding: 'utf8' | 'base64' | 'percent';
}

const MARK = 'sourceMappingURL=';
const COMMENT = /^\/\/[#@][ \t]$/;
const URL_TEXT = /^[^\s'"`]+$/;
const SPACE = 32;

/**
 * Finds the map of a script by the script's last comment that names one, or beside it where no comment does.
 *
 * At once: a file within the limit of the main thread takes a tenth of a millisecond, and asynchronously it would take some
 * nine turns of an event loop that may be busy.
 *
 * @param limit bytes of script and map together
 * @returns undefined where there is no map, and `large` where there is more to read than the limit
 */
export function readScriptWithMap(script: string, limit = Infinity): ScriptWithMap | 'large' | undefined {
  try {
    if (sizeOf(script) > limit) return 'large';
    const code = readFileSync(script);
    const url = mapUrlIn(code);
    const inline = url && inlineMap(url);
    if (inline) return { code, map: inline, mapFile: script };
    const mapFile = url ? fileOf(url.toString(), script) : `${script}.map`;
    if (code.length + sizeOf(mapFile) > limit) return 'large';
    return { code, map: { bytes: readFileSync(mapFile), encoding: 'utf8' }, mapFile };
  } catch {
    return undefined; // not there, not readable, not on this machine
  }
}

/**
 * The JSON of a map.
 *
 * @throws URIError if it is escaped wrongly
 */
export function textOfMap({ bytes, encoding }: MapBytes): string {
  if (encoding === 'percent') return decodeURIComponent(bytes.toString());
  return textOf(encoding === 'base64' ? Buffer.from(bytes.toString('latin1'), 'base64') : bytes);
}

/** Without a byte order mark, which JSON does not take. */
export function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** @throws Error if it is no file: to read a pipe might never end */
function sizeOf(path: string): number {
  const found = statSync(path);
  if (!found.isFile()) throw new Error(`${path} is no file`);
  return found.size;
}

/** What the last `//# sourceMappingURL=` says. The same words in a string or a template are no comment. */
function mapUrlIn(code: Buffer): Buffer | undefined {
  let end = code.length;
  for (let at = code.lastIndexOf(MARK); at >= 0; at = at > 0 ? code.lastIndexOf(MARK, at - 1) : -1) {
    const rest = code.subarray(at + MARK.length, end);
    const lineEnd = rest.indexOf('\n');
    end = at;
    if (!COMMENT.test(code.toString('latin1', Math.max(at - 4, 0), at))) continue;
    const url = trimmedEnd(lineEnd < 0 ? rest : rest.subarray(0, lineEnd));
    // A map in a URL is long; what ends a string would be at its end.
    if (
      URL_TEXT.test(url.toString('latin1', 0, 256)) &&
      URL_TEXT.test(url.subarray(-16).toString('latin1'))
    ) {
      return url;
    }
  }
  return undefined;
}

function trimmedEnd(line: Buffer): Buffer {
  let end = line.length;
  while (end > 0 && line[end - 1]! <= SPACE) end--;
  return line.subarray(0, end);
}

function inlineMap(url: Buffer): MapBytes | undefined {
  if (url.toString('latin1', 0, 5) !== 'data:') return undefined;
  const comma = url.indexOf(',');
  const isBase64 = url.toString('latin1', 0, comma).endsWith(';base64');
  return { bytes: url.subarray(comma + 1), encoding: isBase64 ? 'base64' : 'percent' };
}

/** @throws TypeError for a URL of another machine */
function fileOf(url: string, script: string): string {
  try {
    return fileURLToPath(new URL(url, pathToFileURL(script)));
  } catch (error) {
    if (/^[a-z][a-z\d+.-]+:/i.test(url)) throw error;
    return resolve(dirname(script), url); // a name with a percent sign that escapes nothing
  }
}
