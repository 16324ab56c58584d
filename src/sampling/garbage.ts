import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

let collect: (() => void) | undefined;
let next: Promise<number> | undefined;

/**
 * Collects all garbage, once. That holds the event loop, for long on a big heap: those who ask before the collection
 * begins share it.
 *
 * @returns how long it held the event loop, in ms
 */
export function collectGarbage(): Promise<number> {
  next ??= collectNext();
  return next;
}

async function collectNext(): Promise<number> {
  await setImmediate(); // no value of a running function is on the stack
  next = undefined;
  collect ??= exposedGc();
  const begin = performance.now();
  collect();
  return performance.now() - begin;
}

/**
 * V8's `gc()` is one full collection, and works without the inspector. `HeapProfiler.collectGarbage` repeats it until nothing
 * more is freed, which takes three times as long.
 */
function exposedGc(): () => void {
  const isExposed = 'gc' in globalThis;
  setFlagsFromString('--expose-gc'); // for contexts that are created from here on
  try {
    return runInNewContext('gc') as () => void;
  } finally {
    if (!isExposed) setFlagsFromString('--no-expose-gc');
  }
}
