import { PerformanceObserver } from 'node:perf_hooks';
import { now } from './clock.mjs';

/**
 * How long the event loop is held: the gaps between beats that the loop itself makes.
 *
 * @returns what `work` gave, the gaps in ms, and what of each is no collection of garbage
 */
export async function watch(work) {
  const gaps = [];
  const times = [performance.now()];
  const collections = watchGarbage();
  const value = await beatDuring(work, now, (gap) => {
    gaps.push(gap);
    times.push(performance.now());
  });
  return { value, gaps, besidesGarbage: besidesGarbage(gaps, times, await collections()) };
}

/**
 * The longest gap, in ms, for work that takes long: to keep them all would hold the event loop too.
 *
 * @param workedMs time so far that the application has taken by itself, which is no part of the gaps
 */
export async function longestHold(work, workedMs) {
  let longest = 0;
  await beatDuring(
    work,
    () => now() - workedMs(),
    (gap) => {
      if (gap > longest) longest = gap;
    },
  );
  return longest;
}

/**
 * Each turn of the loop is a beat. The first gap begins with the call of `work`, so what that does before it gives the
 * loop a turn is the first gap.
 */
async function beatDuring(work, clock, onGap) {
  let over = false;
  let last = 0;
  const beat = () => {
    const time = clock();
    onGap(time - last);
    last = time;
    if (!over) setImmediate(beat);
  };
  setImmediate(beat);
  last = clock();
  const value = await work();
  over = true;
  await turn(); // the last beat is before it
  return value;
}

/** @returns ends it, and gives when each collection began and how long it held the thread, in ms */
function watchGarbage() {
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
