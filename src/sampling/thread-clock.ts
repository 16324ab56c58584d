import { SchedulerStatistics } from './scheduler-statistics.js';

/** Tells the CPU time of the thread that opened it. */
export interface ThreadClock {
  /** CPU time of the thread so far, in nanoseconds. */
  read(): number;
  close(): void;
}

/** @returns undefined where this Node and this system do not tell it: before Node 22.15 that is all but Linux */
export function openThreadClock(): ThreadClock | undefined {
  // The types are those of the oldest Node.
  const { threadCpuUsage } = process as { threadCpuUsage?: typeof process.cpuUsage };
  if (threadCpuUsage) return { read: () => nanosOf(threadCpuUsage.call(process)), close() {} };
  const statistics = SchedulerStatistics.open();
  return statistics && { read: () => statistics.read().cpuNanos, close: () => statistics.close() };
}

/** CPU time of the whole process so far, in nanoseconds. */
export function processCpuNanos(): number {
  return nanosOf(process.cpuUsage());
}

function nanosOf({ user, system }: NodeJS.CpuUsage): number {
  return (user + system) * 1000;
}
