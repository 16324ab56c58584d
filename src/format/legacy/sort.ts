/** Entries that `sort` is given at once, and that are merged between two yields. */
const RUN = 256;
const SLICE = 2000;

/** What `toSorted` gives, stable too. Yields now and then: 100,000 entries at once hold the event loop. */
export function* sortedInSlices<T>(
  entries: Iterable<T>,
  compare: (a: T, b: T) => number,
): Generator<void, T[]> {
  let sorted: T[] = [];
  let run: T[] = [];
  for (const entry of entries) {
    if (run.push(entry) < RUN) continue;
    for (const next of run.sort(compare)) sorted.push(next);
    run = [];
    yield;
  }
  for (const next of run.sort(compare)) sorted.push(next);
  for (let width = RUN; width < sorted.length; width *= 2) sorted = yield* mergedRuns(sorted, width, compare);
  return sorted;
}

/** Merges each two neighbouring runs of a width. */
function* mergedRuns<T>(
  runs: readonly T[],
  width: number,
  compare: (a: T, b: T) => number,
): Generator<void, T[]> {
  const merged: T[] = [];
  for (let start = 0; start < runs.length; start += 2 * width) {
    const middle = Math.min(start + width, runs.length);
    const end = Math.min(middle + width, runs.length);
    for (let a = start, b = middle; a < middle || b < end;) {
      const takeFirst = b === end || (a < middle && compare(runs[a]!, runs[b]!) <= 0);
      if (merged.push(runs[takeFirst ? a++ : b++]!) % SLICE === 0) yield;
    }
  }
  return merged;
}
