import { isAbsolute } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Inject, Injectable } from '@nestjs/common';
import { PPROF_OPTIONS, type ResolvedPprofOptions } from '../../../pprof.options.js';
import type { RawFrame } from '../../../sampling/sampler.js';
import { HoldMeter, runSliced } from '../../loop.js';
import { buffersOf, mapFrame } from './compact-map.js';
import { type Keep, loadLargeMaps } from './large-maps.js';
import { fileOfSource, loadMap, type ScriptMap } from './script-map.js';

/** Where a frame is in the source that a person wrote. */
export interface OriginalPlace {
  /** An absolute path, where the map leads to a file. */
  readonly filename: string;
  readonly line: number;
  /** Line at which the function begins; 0 where unknown. */
  readonly startLine: number;
  /** What it is called there, if a minifier has renamed it. */
  readonly functionName?: string | undefined;
}

/** Undefined: the frame stays as it is. It knows the frames that were given to {@link SourceMapper.load}. */
export type OriginalPlaces = (frame: RawFrame) => OriginalPlace | undefined;

/** Bytes of script and map up to which they are read on the main thread: such a map is parsed in a few milliseconds. */
const LARGE = 128 * 1024;

const CACHE_BYTES = 64 * 1024 * 1024;
const CACHE_SCRIPTS = 1000;

/** Frames between two yields. */
const SLICE = 200;

/** Finds frames in the source that a person wrote, by the source maps of the scripts on disk. */
@Injectable()
export class SourceMapper {
  /** Never read again when a file changes: the process runs what it has loaded, and that went with the map of then. */
  private readonly cache = new WeightedCache<ScriptMap>(CACHE_BYTES, CACHE_SCRIPTS, bytesOf);
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
    this.lastLoad = load.then(() => undefined); // without the places, which would be kept until the next one
    return load;
  }

  private async loadAll(frames: readonly RawFrame[], holds: HoldMeter): Promise<OriginalPlaces> {
    const maps = new Map<string | undefined, ScriptMap>();
    const keep: Keep = (script, map) => {
      if (map) maps.set(script, map);
      this.cache.set(script, map);
    };
    const scripts = await runSliced(scriptsOf(frames), holds);
    const large = await runSliced(this.loadSmall(new Set(scripts.values()), keep), holds);
    if (large.length > 0) await loadLargeMaps(large, keep, holds);
    return (frame) => placeOf(frame, maps.get(scripts.get(frame.url)));
  }

  /** @returns the scripts whose maps are large */
  private *loadSmall(scripts: Iterable<string | undefined>, keep: Keep): Generator<void, string[]> {
    const large: string[] = [];
    for (const script of scripts) {
      yield;
      if (script === undefined) continue;
      const map = this.cache.has(script) ? this.cache.get(script) : yield* loadMap(script, LARGE);
      if (map === 'large') large.push(script);
      else keep(script, map);
    }
    return large;
  }
}

const leaveAsIs: OriginalPlaces = () => undefined;

/** The script of each URL of the frames. */
function* scriptsOf(frames: readonly RawFrame[]): Generator<void, Map<string, string | undefined>> {
  const scripts = new Map<string, string | undefined>();
  for (const [i, { url }] of frames.entries()) {
    if (i % SLICE === SLICE - 1) yield;
    if (!scripts.has(url)) scripts.set(url, scriptOf(url));
  }
  return scripts;
}

function scriptOf(url: string): string | undefined {
  try {
    const path = url.startsWith('file:') ? fileURLToPath(url) : url;
    return isAbsolute(path) ? path : undefined; // others are `node:fs`, `evalmachine.<anonymous>`, or nothing
  } catch {
    return undefined;
  }
}

function placeOf(frame: RawFrame, scriptMap: ScriptMap | undefined): OriginalPlace | undefined {
  const mapped = scriptMap && mapFrame(scriptMap.map, frame);
  const filename = mapped && fileOfSource(scriptMap, mapped.source);
  if (filename === undefined) return undefined;
  const { line, startLine, functionName } = mapped!;
  return { filename, line, startLine, functionName };
}

function bytesOf(scriptMap: ScriptMap | undefined): number {
  return scriptMap ? buffersOf(scriptMap.map).reduce((sum, { byteLength }) => sum + byteLength, 0) : 0;
}

/** Keeps what was used last, within a total weight and a number of entries. */
export class WeightedCache<V> {
  private readonly entries = new Map<string, V | undefined>(); // the one used last comes last
  private weight = 0;

  constructor(
    private readonly maxWeight: number,
    private readonly maxEntries: number,
    private readonly weightOf: (value: V | undefined) => number,
  ) {}

  has(key: string): boolean {
    return this.entries.has(key);
  }

  get(key: string): V | undefined {
    return this.entries.get(key);
  }

  /** Makes it the entry used last. What weighs more than all may together is not kept. */
  set(key: string, value: V | undefined): void {
    this.delete(key);
    if (this.weightOf(value) > this.maxWeight) return;
    this.entries.set(key, value);
    this.weight += this.weightOf(value);
    for (const oldest of this.entries.keys()) {
      if (this.weight <= this.maxWeight && this.entries.size <= this.maxEntries) break;
      this.delete(oldest);
    }
  }

  private delete(key: string): void {
    this.weight -= this.weightOf(this.entries.get(key));
    this.entries.delete(key);
  }
}
