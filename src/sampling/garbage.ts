import { setImmediate } from 'node:timers/promises';
import { InspectorSession } from './inspector-session.js';

let underWay: Promise<void> | undefined;

/**
 * Collects all garbage. It holds the event loop, for long on a big heap: those who ask at the same time share one
 * collection.
 */
export function collectGarbage(): Promise<void> {
  underWay ??= collectNext();
  return underWay;
}

async function collectNext(): Promise<void> {
  await setImmediate(); // whoever asks until then has not missed it
  underWay = undefined;
  const session = new InspectorSession();
  try {
    session.post('HeapProfiler.collectGarbage');
  } finally {
    session.close();
  }
}
