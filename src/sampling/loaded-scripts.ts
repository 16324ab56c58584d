import type { Debugger } from 'node:inspector';
import Module from 'node:module';
import { pathToFileURL } from 'node:url';
import { InspectorSession } from './inspector-session.js';

/** What V8 knows of a script that it has loaded. */
export interface LoadedScript {
  /** SHA-256 of its code in UTF-8, as V8 runs it. */
  readonly hash: string;
  /** The code itself, where it may have been made in memory. */
  readonly source: string | undefined;
}

/** Code that V8 would take long to hand out is not asked for: it takes some 50 ms for a million characters. */
const LONGEST_SOURCE = 2_000_000;

/**
 * Asks V8 for scripts. It holds the event loop: V8 enumerates all scripts, and hashes each the first time, which takes
 * 100 to 400 ms for 5 to 20 MB of code and 40 ms afterwards. So it is asked only where the files may not tell.
 *
 * @param urls V8's names of scripts, by their numbers
 * @throws Error where there is no inspector
 */
export function loadedScripts(urls: ReadonlyMap<number, string>): Map<number, LoadedScript> {
  const found = new Map<number, LoadedScript>();
  const session = new InspectorSession();
  const asked: Debugger.ScriptParsedEventDataType[] = [];
  try {
    session.on<Debugger.ScriptParsedEventDataType>('Debugger.scriptParsed', (script) => {
      const url = urls.get(Number(script.scriptId));
      // Here it has a URL, elsewhere a path, where it is CommonJS.
      if (url !== undefined && [url, pathToFileURL(url).href].includes(script.url)) asked.push(script);
    });
    session.post('Debugger.enable');
    for (const { scriptId, hash, length = 0, sourceMapURL = '', url } of asked) {
      const isMadeInMemory = sourceMapURL.startsWith('data:') || !/\.[cm]?js$/.test(url);
      const source = isMadeInMemory && length <= LONGEST_SOURCE ? sourceOf(session, scriptId) : undefined;
      found.set(Number(scriptId), { hash, source });
    }
    return found;
  } finally {
    session.close(); // which disables the debugger
  }
}

function sourceOf(session: InspectorSession, scriptId: string): string {
  return session.post<Debugger.GetScriptSourceReturnType>('Debugger.getScriptSource', { scriptId })
    .scriptSource;
}

/** Options by which something is loaded that may change code when that is loaded. */
const LOADERS = /--(import|loader|experimental-loader)\b/;
/** The preload of this package changes none. */
const OWN_PRELOAD = /--import[= ]\S*nestjs-pprof\S*preload\S*/g;

/** Whether something in this process may compile JavaScript when it is loaded, such as Babel's `register`. */
export function mayTransformCode(): boolean {
  const options = [...process.execArgv, process.env.NODE_OPTIONS ?? ''].join(' ').replace(OWN_PRELOAD, '');
  return LOADERS.test(options) || !isNodes(LOAD_FILE?.['.js']);
}

/** How CommonJS loads a file, by its extension. */
const LOAD_FILE = Reflect.get(Module, '_extensions') as Readonly<Record<string, unknown>> | undefined;

/** Node's own code is the only one that is written like this. */
function isNodes(loadFile: unknown): boolean {
  return String(loadFile).includes('StringPrototypeEndsWith');
}
