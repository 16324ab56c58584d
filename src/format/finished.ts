/** What work that yields now and then comes to, at once: for where nobody waits, such as a worker. */
export function finished<T>(work: Generator<void, T>): T {
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
  }
}
