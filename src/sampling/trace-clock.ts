/** Number of readings, of which the least interrupted one is used. */
const READINGS = 10;

/** The origin of `performance.now()` by the clock of `nowMicros`, in microseconds. */
const START_MICROS = startMicros();

/** Converts a time of `performance.now()` to whole nanoseconds, the time of events in a trace. */
export function nanosOfMillis(millis: number): number {
  return Math.round(millis * 1e6);
}

/** Converts a time of `nowMicros` to the same. */
export function nanosOfMicros(micros: number): number {
  return Math.round((micros - START_MICROS) * 1000);
}

/** Both clocks run at the same speed, so their offset is enough. */
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
