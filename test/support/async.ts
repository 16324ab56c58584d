/** How long `until` waits, in ms: less than Jest, so that the failure says what is missing. */
const PATIENCE = 50_000;

/**
 * Repeats until nothing is missing: V8 decides when a function is sampled, so one capture of a fixed length proves
 * nothing.
 *
 * @throws Error that lists what is still missing
 */
export async function until<T>(attempt: () => Promise<T>, missing: (result: T) => unknown[]): Promise<T> {
  for (const begin = performance.now(); ;) {
    const result = await attempt();
    const left = missing(result);
    if (left.length === 0) return result;
    if (performance.now() - begin > PATIENCE) throw new Error(`still missing: ${JSON.stringify(left)}`);
  }
}

/** Counts how often the event loop turns, until it is stopped. */
export function countTurns(): { readonly turns: number; stop(): void } {
  let turns = 0;
  const count = (): void => {
    turns++;
    next = setImmediate(count);
  };
  let next = setImmediate(count);
  return {
    get turns() {
      return turns;
    },
    stop: () => clearImmediate(next),
  };
}

/** Checks all rows at the same time; an error names its row. */
export async function inParallel<Row>(
  rows: readonly Row[],
  check: (row: Row) => Promise<void>,
): Promise<void> {
  await Promise.all(
    rows.map((row, i) =>
      check(row).catch((error: Error) => {
        error.message = `row ${i} of ${rows.length}: ${error.message}`;
        throw error;
      }),
    ),
  );
}
