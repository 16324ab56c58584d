import { now } from './clock.mjs';

/**
 * How long the event loop is held: the gaps between beats that the loop itself makes.
 *
 * Each turn of the loop is a beat. The first gap begins with the call of `work`, so what that does before it gives the
 * loop a turn is the first gap.
 *
 * @returns what `work` gave, and the gaps in ms
 */
export async function watch(work) {
  const gaps = [];
  let over = false;
  let last = 0;
  const beat = () => {
    const time = now();
    gaps.push(time - last);
    last = time;
    if (!over) setImmediate(beat);
  };
  setImmediate(beat);
  last = now();
  const value = await work();
  over = true;
  await turn(); // the last beat is before it
  return { value, gaps };
}

/** Gives the event loop a turn. */
export function turn() {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
