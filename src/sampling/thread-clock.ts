import { closeSync, openSync, readSync } from 'node:fs';
import { ownThreadId } from './native-threads.js';

/** CPU clock of the thread that opened it. */
export interface ThreadClock {
  /** CPU time of the thread, in nanoseconds. */
  read(): number;
  close(): void;
}

/** @returns undefined if neither Node nor the system reports it: before Node 22.15, on all systems except Linux */
export function openThreadClock(): ThreadClock | undefined {
  // The types are of the oldest supported Node.
  const { threadCpuUsage } = process as { threadCpuUsage?: typeof process.cpuUsage };
  if (threadCpuUsage) return { read: () => nanosOf(threadCpuUsage.call(process)), close() {} };
  return openSchedulerClock();
}

/** CPU time of the process, in nanoseconds. */
export function processCpuNanos(): number {
  return nanosOf(process.cpuUsage());
}

function openSchedulerClock(): ThreadClock | undefined {
  const counts = openSchedulerCounts();
  if (!counts) return undefined;
  return { read: () => counts.read().cpuNanos, close: () => counts.close() };
}

/** The kernel's scheduler statistics of the thread that opened them. */
export interface SchedulerCounts {
  /** CPU time, and time that the thread was runnable but waited for a CPU, in nanoseconds. */
  read(): { readonly cpuNanos: number; readonly delayedNanos: number };
  close(): void;
}

/**
 * Keeps their file open, since reading it again takes only about 3 µs.
 *
 * @returns undefined on systems other than Linux
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
    // No /proc, or a kernel without these statistics.
  }
  return undefined;
}

function nanosOf({ user, system }: NodeJS.CpuUsage): number {
  return (user + system) * 1000;
}
