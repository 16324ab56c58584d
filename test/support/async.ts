/**
 * Repeats until the result is what the test waits for: V8 decides when a function is sampled, so one capture of a fixed
 * length proves nothing. Jest's timeout is the limit.
 */
export async function until<T>(
  attempt: () => Promise<T>,
  isEnough: (result: T) => boolean | undefined,
): Promise<T> {
  for (;;) {
    const result = await attempt();
    if (isEnough(result)) return result;
  }
}

/** Checks all rows at the same time; an error names its row. */
export async function inParallel<Row>(
  rows: readonly Row[],
  check: (row: Row) => Promise<void>,
): Promise<void> {
  await Promise.all(
    rows.map((row) =>
      check(row).catch((error: Error) => {
        error.message = `${JSON.stringify(row)}: ${error.message}`;
        throw error;
      }),
    ),
  );
}
