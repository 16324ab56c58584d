import { setImmediate } from 'node:timers/promises';
import { InspectorSession } from './inspector-session.js';

let running: Promise<number> | undefined;
let next: Promise<number> | undefined;

/**
 * Collects all garbage. That holds the event loop, for long on a big heap: there is one collection at a time, and those
 * who ask before the next one begins share it.
 *
 * @returns how long it held the event loop, in ms
 */
export function collectGarbage(): Promise<number> {
  next ??= collectNext();
  return next;
}

async function collectNext(): Promise<number> {
  await running?.catch(() => {}); // whoever asked for it was told
  await setImmediate();
  running = next;
  next = undefined;
  const session = new InspectorSession();
  try {
    const begin = performance.now();
    await session.postLater('HeapProfiler.collectGarbage');
    return performance.now() - begin;
  } finally {
    session.close();
  }
}
