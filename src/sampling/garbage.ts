import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

let collect: (() => void) | undefined;
let next: Promise<number> | undefined;

/**
 * Runs a full garbage collection, which holds the event loop, for long on a large heap. Calls before the collection starts share it.
 *
 * @returns how long it held the event loop, in ms
 */
export function collectGarbage(): Promise<number> {
  next ??= collectNext();
  return next;
}

async function collectNext(): Promise<number> {
  await setImmediate(); // so that no running function keeps values alive
  next = undefined;
  collect ??= exposedGc();
  const begin = performance.now();
  collect();
  return performance.now() - begin;
}

/**
 * V8's `gc()` runs one full collection and works without the inspector. `HeapProfiler.collectGarbage` repeats it until nothing more
 * is freed, which takes three times as long.
 */
function exposedGc(): () => void {
  const isExposed = 'gc' in globalThis;
  setFlagsFromString('--expose-gc'); // affects contexts that are created from now on
  try {
    return runInNewContext('gc') as () => void;
  } finally {
    if (!isExposed) setFlagsFromString('--no-expose-gc');
  }
}
