import type { ThreadClock } from './thread-clock.js';

/** Between two readings, in ms. A call that blocks is told apart from what the same slice did before it to that precision. */
const EVERY_MS = 10;

/** What the thread's clock said, and when. */
export interface CpuReadings {
  /** Of the clock that V8 stamps its samples with. */
  readonly micros: readonly number[];
  readonly cpuNanos: readonly number[];
}

/** Reads the CPU clock of the calling thread again and again. */
export class CpuClockReader implements CpuReadings {
  readonly micros: number[] = [];
  readonly cpuNanos: number[] = [];
  private timer: NodeJS.Timeout | undefined;
  private excludedNanos = 0;

  constructor(private readonly clock: ThreadClock) {
    this.read();
    this.timer = setInterval(() => this.read(), EVERY_MS).unref();
  }

  /** Reads a last time. */
  stop(): void {
    if (!this.timer) return;
    clearInterval(this.timer);
    this.timer = undefined;
    this.read();
  }

  /** Does work whose CPU time is not to be in the readings. */
  exclude(work: () => void): void {
    if (!this.timer) return work(); // there may be no clock any more
    const begin = this.clock.read();
    work();
    this.excludedNanos += this.clock.read() - begin;
  }

  private read(): void {
    this.micros.push(nowMicros());
    this.cpuNanos.push(this.clock.read() - this.excludedNanos);
  }
}

/** CLOCK_MONOTONIC on Linux, as V8's own time stamps. */
export function nowMicros(): number {
  return Number(process.hrtime.bigint() / 1000n);
}
