/** A time during which the event loop could not run anything else, by the clock of `nowMicros`. */
export interface LoopHold {
  readonly beginMicros: number;
  readonly endMicros: number;
  /** How often threads of the process have waited meanwhile. V8's sampling thread does for each sample. */
  readonly waits: number;
  /** How long the thread may have been stopped: it did not use the CPU, and did not wait for one. */
  readonly awayMicros: number;
}

/** What a beat reads. */
export interface LoopReading {
  /** Now. */
  readonly micros: number;
  /** How long the loop has waited for events so far. */
  readonly idleMicros: number;
  /** How often threads of the process have waited so far. */
  readonly waits: number;
  /** CPU time of the thread so far, and how long it has waited for a CPU that others used; 0 where the system does not tell. */
  readonly cpuMicros: number;
  readonly delayedMicros: number;
}

/** Between two beats, in ms: of a loop that works, and of one that waits, where each beat wakes the process. */
const BUSY_BEAT = { part: 1 / 10, min: 5, max: 100 };
const IDLE_BEAT = { part: 1 / 2, min: 5, max: 100 };

/** A loop that works for less than this part of the time waits. */
const IDLE = 0.1;

/**
 * Finds holds by beats that come late. Time that the loop has waited for events is none, so neither is a process that was
 * stopped while it waited. Time in which it waits for a CPU does not make a hold of a task that is none otherwise.
 */
export class HoldFinder {
  /** When the next beat is due. */
  everyMs: number;
  /** The part of the time that the loop worked before the last beat. */
  private worked = 1;

  /** @param thresholdMs holds are longer */
  constructor(
    private readonly thresholdMs: number,
    private last: LoopReading,
  ) {
    this.everyMs = within(BUSY_BEAT, thresholdMs);
  }

  /** @returns the hold that has just ended, if this beat was kept waiting by one */
  beat(now: LoopReading): LoopHold | undefined {
    const { last } = this;
    const span = now.micros - last.micros;
    const idle = Math.min(now.idleMicros - last.idleMicros, span);
    // What the loop did before the hold, in the time between two beats, is taken to be as much as before.
    const before = this.worked * Math.max(this.everyMs * 1000 - idle, 0);
    const held = span - idle - before;
    const delayed = now.delayedMicros - last.delayedMicros;
    this.last = now;
    this.worked = span > 0 ? 1 - idle / span : 1;
    this.everyMs = within(this.worked < IDLE ? IDLE_BEAT : BUSY_BEAT, this.thresholdMs);
    if (held - delayed <= this.thresholdMs * 1000) return undefined;
    return {
      beginMicros: now.micros - held,
      endMicros: now.micros,
      waits: now.waits - last.waits,
      awayMicros: Math.max(held - delayed - (now.cpuMicros - last.cpuMicros), 0),
    };
  }
}

function within({ part, min, max }: typeof BUSY_BEAT, ms: number): number {
  return Math.min(Math.max(ms * part, min), max);
}
