import { PerformanceObserver } from 'node:perf_hooks';
import { now } from './clock.mjs';

/**
 * How long the event loop is held: the gaps between beats that the loop itself makes.
 *
 * Each turn of the loop is a beat. The first gap begins with the call of `work`, so what that does before it gives the
 * loop a turn is the first gap.
 *
 * @returns what `work` gave, the gaps in ms, what of each is no collection of garbage, and the collections
 */
export async function watch(work) {
  const gaps = [];
  const ends = [];
  const collections = watchGarbage();
  let over = false;
  let last = 0;
  const beat = () => {
    const time = now();
    gaps.push(time - last);
    ends.push(performance.now());
    last = time;
    if (!over) setImmediate(beat);
  };
  setImmediate(beat);
  last = now();
  const begin = performance.now();
  const value = await work();
  over = true;
  await turn(); // the last beat is before it
  const found = await collections();
  return { value, gaps, besidesGarbage: besidesGarbage(gaps, [begin, ...ends], found), collections: found };
}

/** @returns ends it, and gives when each collection began and how long it held the thread, in ms */
export function watchGarbage() {
  const collections = [];
  const observer = new PerformanceObserver((list) => collections.push(...list.getEntries()));
  observer.observe({ entryTypes: ['gc'] });
  return async () => {
    for (let i = 0; i < 3; i++) await turn(); // they are told late
    observer.disconnect();
    return collections;
  };
}

/** @param times when each gap began, and when the last one ended */
function besidesGarbage(gaps, times, collections) {
  const own = [...gaps];
  let gap = 0;
  for (const { startTime, duration } of collections.toSorted((a, b) => a.startTime - b.startTime)) {
    while (gap < gaps.length && times[gap + 1] <= startTime) gap++;
    if (gap < gaps.length && times[gap] <= startTime) own[gap] -= duration;
  }
  return own;
}

/** Gives the event loop a turn. */
export function turn() {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
