/** Keeps captures from holding the application's event loop: runs work in slices, and measures the longest hold. */
import { setImmediate } from 'node:timers/promises';
import { ProfilerArgumentError } from './errors.js';

/** Measures how long one capture holds the event loop: V8's work at its start and end, and each slice of ours. */
export class HoldMeter {
  /** The longest hold so far, in ms. */
  longestMs = 0;

  /** Records a hold that was measured elsewhere. */
  note(ms: number): void {
    this.longestMs = Math.max(this.longestMs, ms);
  }

  /** Runs synchronous work and records how long it took. */
  time<T>(work: () => T): T {
    const begin = performance.now();
    try {
      return work();
    } finally {
      this.note(performance.now() - begin);
    }
  }
}

/** How long a slice may hold the event loop, in ms. */
const SLICE_MS = 4;

/**
 * Runs work that yields now and then, in slices, each in its own turn of the event loop. Also waits for a turn before the first
 * slice, since the last slice of previous work ran in the current one.
 */
export async function runSliced<T>(work: Generator<void, T>, holds: HoldMeter): Promise<T> {
  for (;;) {
    await setImmediate();
    const step = holds.time(() => slice(work));
    if (step.done) return step.value;
  }
}

function slice<T>(work: Generator<void, T>): IteratorResult<void, T> {
  const until = performance.now() + SLICE_MS;
  for (;;) {
    const step = work.next();
    if (step.done || performance.now() >= until) return step;
  }
}

/** Waits for a time or until one of the signals is aborted; never rejects. */
export function wait(ms: number, ...signals: readonly (AbortSignal | undefined)[]): Promise<void> {
  return new Promise((resolve) => {
    if (signals.some((signal) => signal?.aborted)) return resolve();
    const end = (): void => {
      clearTimeout(timer);
      for (const signal of signals) signal?.removeEventListener('abort', end);
      resolve();
    };
    for (const signal of signals) signal?.addEventListener('abort', end);
    const timer = setTimeout(end, ms);
  });
}

/** @throws ProfilerArgumentError if it is neither an AbortSignal nor undefined */
export function checkSignal(signal: AbortSignal | undefined): void {
  if (signal !== undefined && typeof signal?.addEventListener !== 'function')
    throw new ProfilerArgumentError('invalid signal: expected an AbortSignal');
}

/** Now, as a profile's `time_nanos`. */
export function nowNanos(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}
