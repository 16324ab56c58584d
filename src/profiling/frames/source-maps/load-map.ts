import { finished } from '../../../format/finished.js';
import type { CompactMap } from './compact-map.js';
import { parseMap } from './map-parser.js';
import { readScriptWithMap, type ScriptWithMap, textOf, textOfMap } from './script-map.js';

/** The map of a script. */
export interface LoadedMap {
  readonly map: CompactMap;
  /** What the map's sources are relative to. */
  readonly mapFile: string;
}

/** Reads the map of a script, however large, without a pause. Undefined if there is none, or a broken one. */
export function loadMap(script: string): LoadedMap | undefined {
  const read = readScriptWithMap(script);
  if (!read || read === 'large') return undefined;
  return finished(parse(read));
}

/** Undefined if it is no source map. */
export function* parse({ code, map, mapFile }: ScriptWithMap): Generator<void, LoadedMap | undefined> {
  try {
    const mapText = textOfMap(map);
    yield;
    const codeText = textOf(code);
    yield;
    return { map: yield* parseMap(mapText, codeText), mapFile };
  } catch {
    return undefined;
  }
}
