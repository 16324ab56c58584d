import { RollingCpu } from './rolling-cpu.js';
import type { RawFrame } from './sampler.js';
import { StackTable } from './stack-table.js';

/** Between two CPU samples, in µs: Go's rate. */
const INTERVAL = 10_000;

/** What V8 found executing on this thread. */
export interface CpuSample {
  readonly micros: number;
  /** Innermost first; the same array for the same stack. */
  readonly stack: readonly RawFrame[];
}

/** CPU samples of this thread, with the times at which they were taken. */
export class TraceSamples {
  private readonly cpu = new RollingCpu(INTERVAL);
  private readonly stacks = new StackTable();

  /** Those since the last time. Holds the event loop in proportion to them. */
  take(): CpuSample[] {
    return this.cpu
      .cut()
      .samples()
      .map(({ micros, stack }) => ({ micros, stack: this.stacks.of(stack) }));
  }

  stop(): void {
    this.cpu.close();
  }
}
