import { performance } from 'node:perf_hooks';
import { nowMicros } from './cpu-readings.js';
import type { Stretch } from './rolling-cpu.js';
import { SchedulerStatistics } from './scheduler-statistics.js';

/** A turn of the event loop that took so long that a beat came late. */
export interface Hold extends Stretch {
  /**
   * For so long, at least, somebody waited because of what this thread did: neither because of when in the period of
   * the beats it began, nor because the processors were busy with something else.
   */
  readonly lateMicros: number;
}

/** Beats between two readings of the kernel's count, which cost more than all else of a beat. */
const LOOK_EVERY = 10;

/**
 * A timer that tells how long the event loop was held, by its own delay. It keeps no process alive.
 *
 * The loop was held from the last beat on, but for what it spent waiting for work in between: libuv measures that. A
 * process that the system has stopped while it was waiting held nobody.
 */
export class Heartbeat {
  private readonly processors = new WaitForProcessors();
  private readonly timer: NodeJS.Timeout;
  private last = readLoop();
  private beats = 0;

  /** @param onBeat is told of each turn, also of short ones */
  constructor(
    private readonly periodMs: number,
    private readonly onBeat: (hold: Hold) => void,
  ) {
    this.timer = setInterval(() => this.beat(), periodMs).unref();
  }

  /** Beats out of turn, for what ended just now. */
  beat(): void {
    const before = this.last;
    this.last = readLoop();
    const { micros: endMicros, idleMicros } = this.last;
    const elapsed = endMicros - before.micros;
    const held = elapsed - (idleMicros - before.idleMicros);
    const late = Math.min(held, elapsed - this.periodMs * 1000);
    this.onBeat({ beginMicros: endMicros - held, endMicros, lateMicros: late - this.waitedMicros(late) });
  }

  /** Does work that is not to count as a hold. */
  apart(work: () => void): void {
    const begin = nowMicros();
    try {
      work();
    } finally {
      this.last.micros += nowMicros() - begin;
    }
  }

  stop(): void {
    clearInterval(this.timer);
    this.processors.close();
  }

  /** For how long the thread had no processor, of what a beat is late: where that is long, rather too much than too little. */
  private waitedMicros(late: number): number {
    const isLate = late > this.periodMs * 1000;
    if (!isLate && ++this.beats % LOOK_EVERY !== 0) return 0;
    const waited = this.processors.sinceLastLook();
    return isLate ? waited : 0;
  }
}

/** The time, and how long the loop has waited for work since its start. */
function readLoop(): { micros: number; readonly idleMicros: number } {
  return { micros: nowMicros(), idleMicros: performance.nodeTiming.idleTime * 1000 };
}

/** For how long this thread was ready and had no processor, in µs; 0 where the system does not tell. */
class WaitForProcessors {
  private readonly scheduler = SchedulerStatistics.open();
  private last = this.read();

  sinceLastLook(): number {
    const before = this.last;
    this.last = this.read();
    return this.last - before;
  }

  close(): void {
    this.scheduler?.close();
  }

  private read(): number {
    return (this.scheduler?.read().waitedNanos ?? 0) / 1000;
  }
}
