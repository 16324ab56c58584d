import type { TraceEvent } from '../../format/trace-event.js';

/** Number of kept changes. Samples arrive at most a second late. */
const MOST_CHANGES = 100_000;

/** Which goroutine ran when on one thread, for the recent past. */
export class RunsOfThread {
  private times: number[] = [];
  private goroutines: number[] = [];

  add(events: Iterable<TraceEvent>): void {
    for (const event of events) {
      if (event.type === 'run') this.change(event.time, event.goroutine);
      else if (event.type === 'wait' || event.type === 'end') this.change(event.time, 0);
    }
    if (this.times.length < 2 * MOST_CHANGES) return;
    this.times = this.times.slice(-MOST_CHANGES);
    this.goroutines = this.goroutines.slice(-MOST_CHANGES);
  }

  /** @returns the goroutine that ran at a time; 0 if none did */
  at(time: number): number {
    let [from, to] = [0, this.times.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (this.times[middle]! <= time) from = middle + 1;
      else to = middle;
    }
    return this.goroutines[from - 1] ?? 0;
  }

  private change(time: number, goroutine: number): void {
    this.times.push(time);
    this.goroutines.push(goroutine);
  }
}
