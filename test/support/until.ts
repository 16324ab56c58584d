/** How long a test asks before it takes that for an answer. */
const PATIENCE_MS = 20_000;

/**
 * Asks again and again, one after the other.
 *
 * @throws Error with the last answer where none was right
 */
export async function until<T>(ask: () => Promise<T>, isRight: (answer: T) => boolean): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const answer = await ask();
    if (isRight(answer)) return answer;
    if (performance.now() > deadline) throw new Error(`it was ${JSON.stringify(answer)} to the end`);
  }
}
