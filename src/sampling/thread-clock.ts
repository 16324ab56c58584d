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
  return process.platform === 'linux' ? openSchedulerClock() : undefined;
}

/** CPU time of the whole process so far, in nanoseconds. */
export function processCpuNanos(): number {
  return nanosOf(process.cpuUsage());
}

/** The kernel's own count, in a file that is kept open: to read it again takes some 3 µs. */
function openSchedulerClock(): ThreadClock | undefined {
  try {
    const file = openSync(`/proc/self/task/${ownThreadId()}/schedstat`, 'r');
    const buffer = Buffer.alloc(64);
    const read = (): number => {
      const length = readSync(file, buffer, 0, buffer.length, 0);
      return Number.parseInt(buffer.toString('latin1', 0, length), 10);
    };
    if (read() > 0) return { read, close: () => closeSync(file) };
    closeSync(file);
  } catch {
    // No /proc, or a kernel that keeps no such count.
  }
  return undefined;
}

function nanosOf({ user, system }: NodeJS.CpuUsage): number {
  return (user + system) * 1000;
}
