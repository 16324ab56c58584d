import { setImmediate } from 'node:timers/promises';
import { InspectorSession } from './inspector-session.js';

let running: Promise<void> | undefined;
let next: Promise<void> | undefined;

/**
 * Collects all garbage. That holds the event loop, for long on a big heap: there is one collection at a time, and those
 * who ask before the next one begins share it.
 */
export function collectGarbage(): Promise<void> {
  next ??= collectNext();
  return next;
}

async function collectNext(): Promise<void> {
  await running?.catch(() => {}); // whoever asked for it was told
  await setImmediate();
  running = next;
  next = undefined;
  const session = new InspectorSession();
  try {
    await session.postLater('HeapProfiler.collectGarbage');
  } finally {
    session.close();
  }
}
