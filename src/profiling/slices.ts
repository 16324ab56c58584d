import { setImmediate } from 'node:timers/promises';

/** How long a piece of work may hold the event loop, in ms. */
const SLICE_MS = 5;

/** Runs work that yields now and then, and lets the event loop turn between its slices. */
export async function runSliced<T>(work: Generator<void, T>): Promise<T> {
  for (;;) {
    const until = performance.now() + SLICE_MS;
    do {
      const step = work.next();
      if (step.done) return step.value;
    } while (performance.now() < until);
    await setImmediate();
  }
}
