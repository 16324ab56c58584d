import type { ThreadClock } from './thread-clock.js';

/** Interval of readings, in ms. CPU time can be separated from a blocking call to this precision. */
const EVERY_MS = 10;

/** Readings of a thread's CPU clock, and their times. */
export interface CpuReadings {
  /** By the clock of V8's time stamps. */
  readonly micros: readonly number[];
  readonly cpuNanos: readonly number[];
}

/** Reads the CPU clock of the calling thread periodically. */
export class CpuClockReader implements CpuReadings {
  readonly micros: number[] = [];
  readonly cpuNanos: number[] = [];
  private timer: NodeJS.Timeout | undefined;
  private excludedNanos = 0;

  constructor(private readonly clock: ThreadClock) {
    this.read();
    this.timer = setInterval(() => this.read(), EVERY_MS).unref();
  }

  /** Stops after a last reading. */
  stop(): void {
    if (!this.timer) return;
    clearInterval(this.timer);
    this.timer = undefined;
    this.read();
  }

  /** Runs work and excludes its CPU time from the readings. */
  exclude(work: () => void): void {
    if (!this.timer) return work(); // the clock may be closed
    const begin = this.clock.read();
    work();
    this.excludedNanos += this.clock.read() - begin;
  }

  private read(): void {
    this.micros.push(nowMicros());
    this.cpuNanos.push(this.clock.read() - this.excludedNanos);
  }
}

/** The clock of V8's time stamps; on Linux CLOCK_MONOTONIC. */
export function nowMicros(): number {
  return Number(process.hrtime.bigint() / 1000n);
}
