import { statSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { PPROF_OPTIONS, type ResolvedPprofOptions } from '../../../pprof.options.js';
import {
  type LoadedScript,
  loadedScripts,
  mayTransformCode,
  type ScriptName,
} from '../../../sampling/loaded-scripts.js';
import type { RawFrame } from '../../../sampling/sampler.js';
import { HoldMeter, runSliced } from '../../loop.js';
import { MapThread } from './map-thread.js';
import { packFrames, placeAt } from './packed.js';
import type { OriginalPlace, ScriptAnswer, ScriptQuery } from './script-reader.js';

export type { OriginalPlace };

/** Returns the location of a frame that was passed to {@link SourceMapper.load}; undefined to keep the frame unchanged. */
export type OriginalPlaces = (frame: RawFrame) => OriginalPlace | undefined;

/** Answers per generation; about 200 bytes each. */
const GENERATION = 50_000;

/** Frames between two yields. */
const SLICE = 200;

/** A script with frames whose location is not known yet. */
interface Script extends ScriptName {
  readonly frames: RawFrame[];
  /** V8's data about it; null if it has none, undefined if it was not asked. */
  readonly loaded: LoadedScript | null | undefined;
}

/** Null for a frame that is kept unchanged. */
type Answers = Map<string, OriginalPlace | null>;

/**
 * Finds the original source of frames, by the source maps of their scripts. It caches the locations, not the maps.
 */
@Injectable()
export class SourceMapper {
  /** Two generations: when the younger one is full, the older one is dropped. */
  private young: Answers = new Map();
  private old: Answers = new Map();
  /** V8's data about scripts on disk, by {@link scriptKey}; null for scripts that it does not know. */
  private readonly loaded = new Map<string, LoadedScript | null>();
  private thread: MapThread | undefined;
  private users = 0;
  private expectsNewFrames = true;
  private lastLoad: Promise<unknown> = Promise.resolve();

  constructor(@Inject(PPROF_OPTIONS) private readonly options: Pick<ResolvedPprofOptions, 'sourceMaps'>) {}

  /**
   * Reads the map of the program's main script while a capture is running, if the script is a large bundle and the previous
   * capture had new frames. (With a small one, the profile would mostly show the thread's own CPU time.)
   *
   * @returns a function that ends it
   */
  readAhead(holds: HoldMeter): () => Promise<void> {
    const script = process.mainModule?.filename ?? process.argv[1] ?? '';
    if (!this.options.sourceMaps || !this.expectsNewFrames || !isLarge(script)) return async () => {};
    holds.time(() => this.open()).readAhead(script);
    return () => this.close();
  }

  /**
   * Keeps the thread that reads maps alive between lookups.
   *
   * @returns a function that ends that
   */
  keepThread(): () => Promise<void> {
    this.users++;
    return () => this.close();
  }

  /**
   * Finds the locations of frames without holding the event loop. Never rejects: frames whose map is missing or broken are kept
   * unchanged.
   */
  load(frames: Iterable<RawFrame>, holds = new HoldMeter()): Promise<OriginalPlaces> {
    if (!this.options.sourceMaps) return Promise.resolve(leaveAsIs);
    const all = [...frames];
    // One after the other, so that frames that two captures share are looked up once.
    const load = this.lastLoad.then(() => this.loadAll(all, holds)).catch(() => leaveAsIs);
    this.lastLoad = load.then(() => undefined); // not the places, which would stay in memory until the next load
    return load;
  }

  private async loadAll(frames: readonly RawFrame[], holds: HoldMeter): Promise<OriginalPlaces> {
    const places: Answers = new Map();
    const scripts = await runSliced(this.unanswered(frames, places), holds);
    this.expectsNewFrames = scripts.length > 0;
    if (this.expectsNewFrames) await this.lookUp(scripts, places, holds);
    return (frame) => places.get(keyOf(frame)) ?? undefined;
  }

  /** Frames that are not in the cache, by script. Stores the cached locations of the others in `places`. */
  private *unanswered(frames: readonly RawFrame[], places: Answers): Generator<void, Script[]> {
    const scripts = new Map<string, Script>();
    for (const [i, frame] of frames.entries()) {
      if (i % SLICE === SLICE - 1) yield;
      const { url, scriptId } = frame;
      if (!isFromFile(url)) continue;
      const key = keyOf(frame);
      const answers = this.young.has(key) ? this.young : this.old;
      if (answers.has(key)) this.note(key, answers.get(key)!, places);
      else {
        const name = scriptKey(frame);
        const script = scripts.get(name) ?? { url, scriptId, frames: [], loaded: this.loaded.get(name) };
        script.frames.push(frame);
        scripts.set(name, script);
      }
    }
    return [...scripts.values()];
  }

  private async lookUp(scripts: readonly Script[], places: Answers, holds: HoldMeter): Promise<void> {
    const thread = holds.time(() => this.open());
    try {
      const doubtful = await this.ask(thread, scripts, places, holds);
      if (doubtful.length === 0) return;
      const known = holds.time(() => this.askV8(doubtful));
      await this.ask(thread, known, places, holds);
    } finally {
      await this.close();
    }
  }

  /** @returns scripts about which V8 must be asked first */
  private async ask(
    thread: MapThread,
    scripts: readonly Script[],
    places: Answers,
    holds: HoldMeter,
  ): Promise<Script[]> {
    // Frames of custom samples may not belong to a script; then they are kept unchanged.
    const asked = scripts.filter(({ scriptId, loaded }) => scriptId > 0 || loaded !== null);
    const answers = await thread.lookUp(await runSliced(queriesFor(asked), holds), holds);
    return runSliced(this.noteAll(asked, answers, places), holds);
  }

  private *noteAll(
    scripts: readonly Script[],
    answers: readonly (ScriptAnswer | undefined)[],
    places: Answers,
  ): Generator<void, Script[]> {
    for (const [at, { frames }] of scripts.entries()) {
      const answer = answers[at];
      if (answer === 'doubtful') continue;
      for (const [i, frame] of frames.entries()) {
        if (i % SLICE === 0) yield;
        this.note(keyOf(frame), (answer && placeAt(answer, i)) ?? null, places);
      }
    }
    return scripts.filter((_, at) => answers[at] === 'doubtful');
  }

  private askV8(scripts: readonly Script[]): Script[] {
    const found = whatV8Loaded(scripts);
    return scripts.map((script, i) => {
      const loaded = found[i] ?? null;
      if (!loaded?.source) this.loaded.set(scriptKey(script), loaded); // don't keep sources in memory
      return { ...script, loaded };
    });
  }

  private note(key: string, place: OriginalPlace | null, places: Answers): void {
    places.set(key, place);
    this.young.set(key, place);
    if (this.young.size < GENERATION) return;
    this.old = this.young;
    this.young = new Map();
  }

  private open(): MapThread {
    this.users++;
    return (this.thread ??= new MapThread());
  }

  private async close(): Promise<void> {
    if (--this.users > 0) return;
    const { thread } = this;
    this.thread = undefined;
    await thread?.close();
  }
}

const leaveAsIs: OriginalPlaces = () => undefined;

/** In bytes. Reading the map of a smaller script takes a few milliseconds. */
const LARGE = 1_000_000;

function isLarge(script: string): boolean {
  try {
    return statSync(script).size > LARGE;
  } catch {
    return false;
  }
}

function whatV8Loaded(scripts: readonly Script[]): (LoadedScript | undefined)[] {
  try {
    return loadedScripts(scripts);
  } catch {
    return []; // no inspector
  }
}

function* queriesFor(scripts: readonly Script[]): Generator<void, ScriptQuery[]> {
  const mayBeTransformed = mayTransformCode();
  const queries: ScriptQuery[] = [];
  for (const { url, frames, loaded } of scripts) {
    yield;
    queries.push({ url, frames: packFrames(frames), mayBeTransformed, loaded });
  }
  return queries;
}

function scriptKey({ scriptId, url }: ScriptName): string {
  return scriptId > 0 ? String(scriptId) : url;
}

function keyOf(frame: RawFrame): string {
  const { line, column = 0, functionLine, functionColumn, functionName } = frame;
  return `${scriptKey(frame)}:${line}:${column}:${functionLine}:${functionColumn}:${functionName}`;
}

/** Not Node's own scripts, `evalmachine.<anonymous>`, WebAssembly, or empty. */
function isFromFile(url: string): boolean {
  return isAbsolute(url) || (/^[a-z][a-z\d+.-]+:/i.test(url) && !/^(node|wasm):/.test(url));
}
