/** Uses the CPU for so many ms. */
export function compute(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

/** How long things took, by what they were, in ms: what the service itself has measured. */
export class Stopwatch {
  private readonly found = new Map<string, number[]>();

  async timed<T>(what: string, work: () => Promise<T> | T): Promise<T> {
    const begin = performance.now();
    const result = await work();
    this.note(what, performance.now() - begin);
    return result;
  }

  note(what: string, ms: number): void {
    const known = this.found.get(what);
    if (known) known.push(ms);
    else this.found.set(what, [ms]);
  }

  /** All until now; they are forgotten. */
  take(): Record<string, number[]> {
    const all = Object.fromEntries(this.found);
    this.found.clear();
    return all;
  }
}
