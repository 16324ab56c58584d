/** Readings of which the one that was interrupted least counts. */
const READINGS = 10;

/** When `performance.now()` began, by the clock of `nowMicros`, in microseconds. */
const START_MICROS = startMicros();

/** A moment of `performance.now()`, in whole nanoseconds: the time of an event in a trace. */
export function nanosOfMillis(millis: number): number {
  return Math.round(millis * 1e6);
}

/** The same of a moment of `nowMicros`. */
export function nanosOfMicros(micros: number): number {
  return Math.round((micros - START_MICROS) * 1000);
}

/** The clocks run alike, so it is enough to know how far apart they are. */
function startMicros(): number {
  let [shortest, start] = [Infinity, 0];
  for (let i = 0; i < READINGS; i++) {
    const before = performance.now();
    const nanos = process.hrtime.bigint();
    const took = performance.now() - before;
    if (took >= shortest) continue;
    shortest = took;
    start = Number(nanos) / 1000 - (before + took / 2) * 1000;
  }
  return start;
}
