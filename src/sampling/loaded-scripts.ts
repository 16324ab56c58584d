import type { Debugger } from 'node:inspector';
import Module from 'node:module';
import { pathToFileURL } from 'node:url';
import { InspectorSession } from './inspector-session.js';

/** V8's data about a loaded script. */
export interface LoadedScript {
  /** SHA-256 of the code that V8 runs, in UTF-8. */
  readonly hash: string;
  /** The code, if it may have been generated in memory. */
  readonly source: string | undefined;
}

/** Longer code is not requested, since V8 takes about 50 ms per million characters. */
const LONGEST_SOURCE = 2_000_000;

/** A script, as frames refer to it. */
export interface ScriptName {
  /** V8's script id; 0 if unknown, as in call stacks. */
  readonly scriptId: number;
  /** A path or URL. */
  readonly url: string;
}

/**
 * Asks V8 about scripts. This holds the event loop: V8 enumerates all scripts, and hashes each the first time, which takes 100 to
 * 400 ms for 5 to 20 MB of code, and 40 ms afterwards. So call it only if the files may differ from what V8 runs.
 *
 * @returns V8's data for each script; undefined if V8 has no script of that name, or several
 * @throws Error if there is no inspector
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

/** For CommonJS, V8 uses URLs here but paths elsewhere. */
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

/** Options that load something that may transform code. */
const LOADERS = /--(import|loader|experimental-loader)\b/;
/** This package's preload does not transform code. */
const OWN_PRELOAD = /--import[= ]\S*nestjs-pprof\S*preload\S*/g;

/** Environment variables of test runners, which transform what they load. */
const TEST_RUNNERS = ['JEST_WORKER_ID', 'VITEST'];

/** Whether something in this process may transform JavaScript when it is loaded, such as Babel's `register`. */
export function mayTransformCode(): boolean {
  const options = [...process.execArgv, process.env.NODE_OPTIONS ?? ''].join(' ').replace(OWN_PRELOAD, '');
  return (
    LOADERS.test(options) ||
    TEST_RUNNERS.some((name) => name in process.env) ||
    !NODES_OWN.every(([code, word]) => String(code()).includes(word))
  );
}

/** The functions with which CommonJS loads a `.js` file, and words that only Node's own versions contain. */
const NODES_OWN: readonly (readonly [code: () => unknown, word: string])[] = [
  [() => (Reflect.get(Module, '_extensions') as Record<string, unknown>)['.js'], 'StringPrototypeEndsWith'],
  [() => Reflect.get(Module.prototype as object, '_compile'), 'wrapSafe'],
];
