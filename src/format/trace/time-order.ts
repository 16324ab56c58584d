/** How long an event is held, in ns: what happened before may still come, from a thread that tells late. */
export const HELD_FOR = 1.5e9;
/** Events held at most. */
const MOST_HELD = 100_000;
/** Events taken between two looks at what can go. */
const STEP = 1024;

/** Events handed out at once, if so many are not too many: to do more would hold the event loop. */
const MOST_AT_ONCE = 4 * STEP;

/** Something with a time. */
export interface Timed {
  readonly at: number;
}

/**
 * Puts in order of time what comes nearly so: events are held for a while, or until there are too many.
 *
 * What comes later than that is handed out late; who takes it must bear it.
 */
export class TimeOrder<T extends Timed> {
  private held: T[] = [];
  /** Events at the begin of `held` that are in order. */
  private inOrder = 0;
  private newest = -Infinity;
  private sinceLook = 0;

  constructor(private readonly take: (event: T) => void) {}

  push(event: T): void {
    const { held } = this;
    if (held.length === this.inOrder && (held.length === 0 || held.at(-1)!.at <= event.at)) this.inOrder++;
    held.push(event);
    if (event.at > this.newest) this.newest = event.at;
    if (++this.sinceLook === STEP) this.settle();
  }

  /** Time goes on, though nothing comes. */
  advance(at: number): void {
    if (at > this.newest) this.newest = at;
    if (this.held.length > 0) this.settle();
  }

  /** Hands out all that is held. Yields now and then. */
  *drain(): Generator<void, void> {
    this.sort();
    const all = this.held;
    this.held = [];
    this.inOrder = 0;
    for (const [i, event] of all.entries()) {
      if (i % STEP === 0) yield;
      this.take(event);
    }
  }

  private settle(): void {
    this.sinceLook = 0;
    const { held } = this;
    const isOld = this.newest - HELD_FOR;
    if (held.length <= MOST_HELD && held[0]!.at > isOld && held.length === this.inOrder) return;
    this.sort();
    let count = Math.max(0, held.length - MOST_HELD);
    while (count < held.length && count < MOST_AT_ONCE && held[count]!.at <= isOld) count++;
    for (let i = 0; i < count; i++) this.take(held[i]!);
    this.held = held.slice(count);
    this.inOrder = this.held.length;
  }

  /** Those of one moment stay in the order in which they came. */
  private sort(): void {
    if (this.inOrder < this.held.length) this.held.sort((a, b) => a.at - b.at);
    this.inOrder = this.held.length;
  }
}
