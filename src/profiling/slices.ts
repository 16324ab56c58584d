import { setImmediate } from 'node:timers';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { HoldMeter } from './hold-meter.js';

/** How long our work may hold the event loop in one turn, in ms: a step that V8 runs for the first time may take 8 more. */
const SLICE_MS = 2;

/** When the work of this turn has to end; of all that is done in it, one after the other. */
let turnEnds: number | undefined;

/** Runs work that yields now and then, and lets the event loop turn between its slices. */
export async function runSliced<T>(work: Generator<void, T>, holds: HoldMeter): Promise<T> {
  for (;;) {
    if (performance.now() >= endOfTurn()) await nextTurn();
    const step = holds.time(() => slice(work));
    if (step.done) return step.value;
  }
}

function slice<T>(work: Generator<void, T>): IteratorResult<void, T> {
  const until = endOfTurn();
  for (;;) {
    const step = work.next();
    if (step.done || performance.now() >= until) return step;
  }
}

function endOfTurn(): number {
  if (turnEnds === undefined) {
    turnEnds = performance.now() + SLICE_MS;
    setImmediate(() => {
      turnEnds = undefined;
    });
  }
  return turnEnds;
}
