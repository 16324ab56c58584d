import { closeSync, openSync, readSync } from 'node:fs';
import { ownThreadId } from './native-threads.js';

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
  return openSchedulerClock();
}

/** CPU time of the whole process so far, in nanoseconds. */
export function processCpuNanos(): number {
  return nanosOf(process.cpuUsage());
}

function openSchedulerClock(): ThreadClock | undefined {
  const counts = openSchedulerCounts();
  if (!counts) return undefined;
  return { read: () => counts.read().cpuNanos, close: () => counts.close() };
}

/** The kernel's own counts of the thread that opened them. */
export interface SchedulerCounts {
  /** CPU time so far, and how long the thread has waited for a CPU that others used, in nanoseconds. */
  read(): { readonly cpuNanos: number; readonly delayedNanos: number };
  close(): void;
}

/**
 * They are in a file that is kept open: to read it again takes some 3 µs.
 *
 * @returns undefined on other systems than Linux
 */
export function openSchedulerCounts(): SchedulerCounts | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    const file = openSync(`/proc/self/task/${ownThreadId()}/schedstat`, 'r');
    const buffer = Buffer.alloc(64);
    const read: SchedulerCounts['read'] = () => {
      const text = buffer.toString('latin1', 0, readSync(file, buffer, 0, buffer.length, 0));
      const [cpuNanos = 0, delayedNanos = 0] = text.split(' ', 2).map(Number);
      return { cpuNanos, delayedNanos };
    };
    if (read().cpuNanos > 0) return { read, close: () => closeSync(file) };
    closeSync(file);
  } catch {
    // No /proc, or a kernel that keeps no such count.
  }
  return undefined;
}

function nanosOf({ user, system }: NodeJS.CpuUsage): number {
  return (user + system) * 1000;
}
