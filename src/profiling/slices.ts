import { setImmediate } from 'node:timers/promises';
import type { HoldMeter } from './hold-meter.js';

/** How long a piece of work may hold the event loop, in ms. */
const SLICE_MS = 4;

/** Runs work that yields now and then, and lets the event loop turn between its slices. */
export async function runSliced<T>(work: Generator<void, T>, holds: HoldMeter): Promise<T> {
  for (;;) {
    const step = holds.time(() => slice(work));
    if (step.done) return step.value;
    await setImmediate();
  }
}

function slice<T>(work: Generator<void, T>): IteratorResult<void, T> {
  const until = performance.now() + SLICE_MS;
  for (;;) {
    const step = work.next();
    if (step.done || performance.now() >= until) return step;
  }
}
