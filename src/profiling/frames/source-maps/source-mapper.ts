import { isAbsolute } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Inject, Injectable } from '@nestjs/common';
import { PPROF_OPTIONS, type ResolvedPprofOptions } from '../../../pprof.options.js';
import type { RawFrame } from '../../../sampling/sampler.js';
import { HoldMeter, runSliced } from '../../loop.js';
import { byteLengthOf, textAt } from './compact-map.js';
import { LargeMapLoader, NO_WORKER } from './large-map-loader.js';
import { type LoadedMap, parse } from './load-map.js';
import { mapFrame } from './original-segments.js';
import { readScriptWithMap } from './script-map.js';
import { fileOfSource } from './source-file.js';
import { WeightedCache } from './weighted-cache.js';

/** Where a frame is in the source that a person wrote. */
export interface OriginalPlace {
  /** An absolute path, where the map leads to a file. */
  readonly filename: string;
  readonly line: number;
  /** Line at which the function begins; 0 where unknown. */
  readonly startLine: number;
  /** What it is called there, if a minifier has renamed it. */
  readonly functionName?: string;
}

/** Undefined: the frame stays as it is. It knows the frames that were given to {@link SourceMapper.load}. */
export type OriginalPlaces = (frame: RawFrame) => OriginalPlace | undefined;

/** A script's map, and the files of those of its sources that frames were in. */
interface ScriptMap extends LoadedMap {
  readonly script: string;
  readonly files: Map<number, string | undefined>;
}

/** Bytes of script and map up to which they are read on the main thread: such a map is parsed in a few milliseconds. */
const LARGE = 128 * 1024;

/** Files that are looked for at once. */
const BATCH = 32;

const CACHE_BYTES = 64 * 1024 * 1024;
const CACHE_ENTRIES = 1000;
/** For what an entry takes beside the map, and for a script without one. */
const ENTRY_BYTES = 512;

/** Frames between two yields. */
const SLICE = 200;

/** Finds frames in the source that a person wrote, by the source maps of the scripts on disk. */
@Injectable()
export class SourceMapper {
  /** Never read again when a file changes: the process runs what it has loaded, and that went with the map of then. */
  private readonly cache = new WeightedCache<ScriptMap | undefined>(CACHE_BYTES, CACHE_ENTRIES);
  private lastLoad: Promise<unknown> = Promise.resolve();

  constructor(@Inject(PPROF_OPTIONS) private readonly options: Pick<ResolvedPprofOptions, 'sourceMaps'>) {}

  /**
   * Loads the maps of the scripts that these frames are in, without holding the event loop. Never rejects: frames whose
   * map is missing or broken stay as they are.
   */
  load(frames: Iterable<RawFrame>, holds = new HoldMeter()): Promise<OriginalPlaces> {
    if (!this.options.sourceMaps) return Promise.resolve(leaveAsIs);
    const all = [...frames];
    // One after the other, so that a script that two captures have in common is read once.
    const load = this.lastLoad.then(() => this.loadAll(all, holds)).catch(() => leaveAsIs);
    this.lastLoad = load.then(() => undefined); // without the maps, which would be kept until the next one
    return load;
  }

  private async loadAll(frames: readonly RawFrame[], holds: HoldMeter): Promise<OriginalPlaces> {
    const scripts = await runSliced(scriptsOf(frames), holds);
    const maps = await this.mapsOf(distinct(scripts.values()), holds);
    const mapOf = (frame: RawFrame): ScriptMap | undefined => maps.get(scripts.get(frame.url) ?? '');
    await findFiles(await runSliced(sourcesOf(frames, mapOf), holds));
    return (frame) => {
      const scriptMap = mapOf(frame);
      const mapped = scriptMap && mapFrame(scriptMap.map, frame);
      const filename = mapped && scriptMap.files.get(mapped.source);
      if (filename === undefined) return undefined;
      const { source: _, ...place } = mapped!;
      return { filename, ...place };
    };
  }

  private async mapsOf(scripts: readonly string[], holds: HoldMeter): Promise<Map<string, ScriptMap>> {
    const maps = new Map<string, ScriptMap>();
    const keep = (script: string, loaded: LoadedMap | undefined): void => {
      const scriptMap = loaded && { ...loaded, script, files: new Map<number, string | undefined>() };
      if (scriptMap) maps.set(script, scriptMap);
      this.cache.set(script, scriptMap, ENTRY_BYTES + (loaded ? byteLengthOf(loaded.map) : 0));
    };

    const unknown: string[] = [];
    for (const script of scripts) {
      const known = this.cache.get(script);
      if (known) maps.set(script, known);
      else if (!this.cache.has(script)) unknown.push(script);
    }
    await loadLarge(await runSliced(loadSmall(unknown, keep), holds), keep, holds);
    return maps;
  }
}

const leaveAsIs: OriginalPlaces = () => undefined;

type Keep = (script: string, loaded: LoadedMap | undefined) => void;

/** @returns those that are not small */
function* loadSmall(scripts: readonly string[], keep: Keep): Generator<void, string[]> {
  const large: string[] = [];
  for (const script of scripts) {
    yield;
    const read = readScriptWithMap(script, LARGE);
    if (read === 'large') large.push(script);
    else keep(script, read && (yield* parse(read)));
  }
  return large;
}

async function loadLarge(scripts: readonly string[], keep: Keep, holds: HoldMeter): Promise<void> {
  const loader = new LargeMapLoader();
  try {
    for (const script of scripts) {
      const loaded = await loader.load(script);
      keep(script, loaded === NO_WORKER ? await loadHere(script, holds) : loaded);
    }
  } finally {
    await loader.stop();
  }
}

/** A large one on this thread, since there is no other: only its JSON holds the event loop. */
async function loadHere(script: string, holds: HoldMeter): Promise<LoadedMap | undefined> {
  const read = holds.time(() => readScriptWithMap(script));
  return read && read !== 'large' ? runSliced(parse(read), holds) : undefined;
}

/** The script of each URL of the frames. */
function* scriptsOf(frames: readonly RawFrame[]): Generator<void, Map<string, string | undefined>> {
  const scripts = new Map<string, string | undefined>();
  for (const [i, { url }] of frames.entries()) {
    if (i % SLICE === SLICE - 1) yield;
    if (!scripts.has(url)) scripts.set(url, scriptOf(url));
  }
  return scripts;
}

function distinct(scripts: Iterable<string | undefined>): string[] {
  return [...new Set(scripts)].filter((script) => script !== undefined);
}

function scriptOf(url: string): string | undefined {
  try {
    const path = url.startsWith('file:') ? fileURLToPath(url) : url;
    return isAbsolute(path) ? path : undefined; // others are `node:fs`, `evalmachine.<anonymous>`, or nothing
  } catch {
    return undefined;
  }
}

/** A source of a map whose file is not known yet. */
interface PendingSource {
  readonly scriptMap: ScriptMap;
  readonly source: number;
}

function* sourcesOf(
  frames: readonly RawFrame[],
  mapOf: (frame: RawFrame) => ScriptMap | undefined,
): Generator<void, PendingSource[]> {
  const pending: PendingSource[] = [];
  for (const [i, frame] of frames.entries()) {
    if (i % SLICE === SLICE - 1) yield;
    const scriptMap = mapOf(frame);
    const source = scriptMap && mapFrame(scriptMap.map, frame)?.source;
    if (source === undefined || scriptMap!.files.has(source)) continue;
    scriptMap!.files.set(source, undefined);
    pending.push({ scriptMap: scriptMap!, source });
  }
  return pending;
}

async function findFiles(pending: readonly PendingSource[]): Promise<void> {
  for (let i = 0; i < pending.length; i += BATCH) {
    await Promise.all(
      pending.slice(i, i + BATCH).map(async ({ scriptMap: { map, mapFile, script, files }, source }) => {
        files.set(source, await fileOfSource(textAt(map.sources, source), mapFile, script));
      }),
    );
  }
}
