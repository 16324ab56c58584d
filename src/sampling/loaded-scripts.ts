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

/** A script, as frames name it. */
export interface ScriptName {
  /** V8's number; 0 where that is not known, as in call stacks. */
  readonly scriptId: number;
  /** A path or URL. */
  readonly url: string;
}

/**
 * Asks V8 for scripts. It holds the event loop: V8 enumerates all scripts, and hashes each the first time, which takes
 * 100 to 400 ms for 5 to 20 MB of code and 40 ms afterwards. So it is asked only where the files may not tell.
 *
 * @returns for each script what V8 knows, or undefined if it has no such script, or several of that name
 * @throws Error where there is no inspector
 */
export function loadedScripts(names: readonly ScriptName[]): (LoadedScript | undefined)[] {
  const session = new InspectorSession();
  try {
    const parsed: Script[] = [];
    session.on<Script>('Debugger.scriptParsed', (script) => parsed.push(script));
    session.post('Debugger.enable');
    const byId = new Map(parsed.map((script) => [Number(script.scriptId), script]));
    return names.map(({ scriptId, url }) => {
      const script = scriptId > 0 ? byId.get(scriptId) : onlyOne(parsed, url);
      return script && loaded(session, script);
    });
  } finally {
    session.close(); // which disables the debugger
  }
}

type Script = Debugger.ScriptParsedEventDataType;

/** V8 has URLs here, and elsewhere paths, where it is CommonJS. */
function onlyOne(scripts: readonly Script[], url: string): Script | undefined {
  const fileUrl = pathToFileURL(url).href;
  const [script, ...others] = scripts.filter((one) => one.url === url || one.url === fileUrl);
  return others.length > 0 ? undefined : script;
}

function loaded(session: InspectorSession, script: Script): LoadedScript {
  const { scriptId, url, hash, length = 0, sourceMapURL = '' } = script;
  const isMadeInMemory = sourceMapURL.startsWith('data:') || !/\.[cm]?js$/.test(url);
  const isAskedFor = isMadeInMemory && length <= LONGEST_SOURCE;
  return { hash, source: isAskedFor ? sourceOf(session, scriptId) : undefined };
}

function sourceOf(session: InspectorSession, scriptId: string): string {
  return session.post<Debugger.GetScriptSourceReturnType>('Debugger.getScriptSource', { scriptId })
    .scriptSource;
}

/** Options by which something is loaded that may change code when that is loaded. */
const LOADERS = /--(import|loader|experimental-loader)\b/;
/** The preload of this package changes none. */
const OWN_PRELOAD = /--import[= ]\S*nestjs-pprof\S*preload\S*/g;

/** Environments of test runners, which compile what they load. */
const TEST_RUNNERS = ['JEST_WORKER_ID', 'VITEST'];

/** Whether something in this process may compile JavaScript when it is loaded, such as Babel's `register`. */
export function mayTransformCode(): boolean {
  const options = [...process.execArgv, process.env.NODE_OPTIONS ?? ''].join(' ').replace(OWN_PRELOAD, '');
  return (
    LOADERS.test(options) ||
    TEST_RUNNERS.some((name) => name in process.env) ||
    !NODES_OWN.every(([code, word]) => String(code()).includes(word))
  );
}

/** How CommonJS loads a `.js` file, and words that only Node's own code has. */
const NODES_OWN: readonly (readonly [code: () => unknown, word: string])[] = [
  [() => (Reflect.get(Module, '_extensions') as Record<string, unknown>)['.js'], 'StringPrototypeEndsWith'],
  [() => Reflect.get(Module.prototype as object, '_compile'), 'wrapSafe'],
];
