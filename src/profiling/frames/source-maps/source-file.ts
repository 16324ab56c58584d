import { stat } from 'node:fs/promises';
import { dirname, isAbsolute, join, normalize, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** Behind a namespace, which is the name of a package. */
const WEBPACK = /^webpack:\/\/(?:@[^/]+\/)?[^/]*\/([^?]*)/;
/** Modules that webpack itself wrote. */
const WEBPACKS_OWN = /^(\(?webpack\)?\/|external |ignored\|)/;
const SCHEME = /^[a-z][a-z\d+.-]+:/i;

/**
 * The file that a source of a map is: an absolute path where there can be one, otherwise what the map calls it.
 *
 * @param mapFile what the map's sources are relative to
 * @returns undefined for what nobody wrote
 */
export async function fileOfSource(
  source: string,
  mapFile: string,
  script: string,
): Promise<string | undefined> {
  const webpack = WEBPACK.exec(source);
  if (webpack) return fileOfWebpackModule(webpack[1]!, script);
  if (SCHEME.test(source) && !source.startsWith('file:')) return source;
  const byUrl = pathOfUrl(source, mapFile);
  // A URL by the book, and what tools write that do not escape these characters.
  if (!/[%#?]/.test(source) || (byUrl !== undefined && (await isFile(byUrl)))) return byUrl;
  const asWritten = resolve(dirname(mapFile), source);
  return (await isFile(asWritten)) ? asWritten : byUrl;
}

function pathOfUrl(source: string, mapFile: string): string | undefined {
  try {
    return fileURLToPath(new URL(source, pathToFileURL(mapFile)));
  } catch {
    return undefined;
  }
}

/** Its names are relative to the directory in which webpack ran, which a bundle does not tell: it is looked for. */
async function fileOfWebpackModule(name: string, script: string): Promise<string | undefined> {
  if (WEBPACKS_OWN.test(name)) return undefined;
  if (isAbsolute(name)) return normalize(name);
  for (const directory of [...ancestorsOf(script), process.cwd()]) {
    const path = join(directory, name);
    if (await isFile(path)) return path;
  }
  return normalize(name);
}

function* ancestorsOf(path: string): Generator<string> {
  for (let at = dirname(path), below = path; at !== below; below = at, at = dirname(at)) yield at;
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
