import { callSites } from './call-stack.js';
import { stateOfModule, type WaitState } from './wait-state.js';

/** Functions of `Promise` that ask many promises for one. */
const COMBINATORS: ReadonlySet<string | null> = new Set(['all', 'allSettled', 'any', 'race']);

/** Frames of a stack, a few of our own and Node's hook's among them: it is what a sample costs. Go kept 32 for long. */
const DEPTH = 40;

const HOOKS = 'node:internal/async_hooks';
const TURN = 'node:internal/process/task_queues';

/** Where an execution begins to wait. */
export interface PlaceOfWait {
  /** From the one function of Node's or V8's that the application called, if it called one. */
  readonly sites: readonly NodeJS.CallSite[];
  /** The module of that function. */
  readonly api: string;
  /** As the modules that it called tell. */
  readonly state: WaitState | undefined;
  /** The application's own function waits, or calls `then`. */
  readonly isOwn: boolean;
  /** `Promise.all` or its like asks one of the promises that it was given. */
  readonly isPart: boolean;
  /** The application does not call what waits, it awaits it: that is its wait, and has begun before. */
  readonly isAwaited: boolean;
}

/**
 * Where an execution begins to wait.
 *
 * @returns undefined where no code but Node's is on the stack
 */
export function placeOfWait(): PlaceOfWait | undefined {
  const sites = sitesOrNone();
  const urls = sites.map((site) => site.getScriptNameOrSourceURL() ?? '');
  const hook = urls.indexOf(HOOKS);
  const begin = urls.findIndex((url, i) => i > hook && url !== HOOKS);
  const user = urls.findIndex((url, i) => i >= begin && isUsers(url));
  if (user < 0) return undefined;
  const api = user > begin ? user - 1 : user;
  const isAwaited = user > begin && sites[user]!.isAsync();
  const isPart = urls[api] === '' && COMBINATORS.has(sites[api]!.getFunctionName());
  return {
    sites: sites.filter((_, i) => i >= api && urls[i] !== TURN),
    api: urls[api]!,
    state: urls.slice(begin, user).map(stateOfModule).find(Boolean),
    isOwn: !isPart && !isAwaited && !urls.slice(begin, user).some(isNodes),
    isPart,
    isAwaited,
  };
}

/** Of the application, or of a package. */
export function isUsers(url: string): boolean {
  return url !== '' && !isNodes(url);
}

function isNodes(url: string): boolean {
  return url.startsWith('node:');
}

/** Node ends the process for what a hook throws, and an application may have frozen `Error`. */
function sitesOrNone(): NodeJS.CallSite[] {
  try {
    return callSites(placeOfWait, DEPTH);
  } catch {
    return [];
  }
}
