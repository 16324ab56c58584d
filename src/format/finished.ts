/** Runs sliced work to its end without pauses, where it holds up nothing else, such as in a worker thread. */
export function finished<T>(work: Generator<void, T>): T {
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
  }
}
