/** A hold of the event loop, by the clock of `nowMicros`. */
export interface LoopHold {
  readonly beginMicros: number;
  readonly endMicros: number;
  /** How often threads of the process waited meanwhile. V8's sampling thread waits once per sample. */
  readonly waits: number;
  /** How long the thread may have been stopped: it neither used a CPU nor waited for one. */
  readonly awayMicros: number;
}

/** Readings of one timer tick. */
export interface LoopReading {
  /** Current time. */
  readonly micros: number;
  /** Total time that the loop has waited for events. */
  readonly idleMicros: number;
  /** How often threads of the process have waited in total. */
  readonly waits: number;
  /** Total CPU time of the thread, and time that it waited for a CPU; 0 if the system does not report them. */
  readonly cpuMicros: number;
  readonly delayedMicros: number;
}

/** Interval of ticks relative to the threshold, and its limits in ms, for a busy loop and for an idle one, which each tick wakes. */
const BUSY_BEAT = { part: 1 / 10, min: 5, max: 100 };
const IDLE_BEAT = { part: 1 / 2, min: 5, max: 100 };

/** A loop that works for less than this part of the time is idle. */
const IDLE = 0.1;

/**
 * Detects holds by timer ticks that are late. Time in which the loop waited for events doesn't count, nor does a process that was
 * stopped meanwhile. Time in which the thread waited for a CPU doesn't turn a short task into a hold.
 */
export class HoldFinder {
  /** Delay of the next tick, in ms. */
  everyMs: number;
  /** The part of the time that the loop worked before the last tick. */
  private worked = 1;

  /** @param thresholdMs minimum length of a hold */
  constructor(
    private readonly thresholdMs: number,
    private last: LoopReading,
  ) {
    this.everyMs = within(BUSY_BEAT, thresholdMs);
  }

  /** @returns the hold that has just ended, if one delayed this tick */
  beat(now: LoopReading): LoopHold | undefined {
    const { last } = this;
    const span = now.micros - last.micros;
    const idle = Math.min(now.idleMicros - last.idleMicros, span);
    // Assumes that before the hold, between two ticks, the loop worked as much as before.
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
