/** Measures how long one capture holds the event loop: V8's own work at its begin and end, and each slice of ours. */
export class HoldMeter {
  /** The longest hold so far, in ms. */
  longestMs = 0;

  /** Notes a hold that somebody else has timed. */
  note(ms: number): void {
    this.longestMs = Math.max(this.longestMs, ms);
  }

  /** Does synchronous work and notes how long it took. */
  time<T>(work: () => T): T {
    const begin = performance.now();
    try {
      return work();
    } finally {
      this.note(performance.now() - begin);
    }
  }
}
