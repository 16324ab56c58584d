import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';

/** A thread of this process, as the kernel knows it. */
export interface NativeThread {
  readonly id: number;
  /** At most 15 bytes; a thread without a name of its own has that of the thread that created it. */
  readonly name: string;
  readonly cpuNanos: number;
}

/** The kernel's names of all threads of this process. */
export interface ThreadNames {
  readonly main: string;
  readonly others: readonly string[];
}

const TASKS = '/proc/self/task';

/** The threads of this process beside the calling one; none where the system does not list them (all but Linux). */
export function otherNativeThreads(): NativeThread[] {
  try {
    const own = ownThreadId();
    return readdirSync(TASKS)
      .filter((id) => id !== own)
      .flatMap((id) => whileAlive(() => ({ id: Number(id), name: nameOf(id), cpuNanos: cpuNanosOf(id) })));
  } catch {
    return []; // no /proc
  }
}

/** The kernel's numbers of all threads of this process; none where the system does not list them (all but Linux). */
export function nativeThreadIds(): number[] {
  try {
    return readdirSync(TASKS).map(Number);
  } catch {
    return []; // no /proc
  }
}

/** What all threads of this process are called; undefined where the system does not list them (all but Linux). */
export function threadNames(): ThreadNames | undefined {
  try {
    const main = basename(readlinkSync('/proc/self')); // its number is the pid, as that /proc has it
    const others = readdirSync(TASKS).filter((id) => id !== main);
    return { main: nameOf(main), others: others.flatMap((id) => whileAlive(() => nameOf(id))) };
  } catch {
    return undefined; // no /proc
  }
}

/** The kernel's number of the calling thread. */
export function ownThreadId(): string {
  return basename(readlinkSync('/proc/thread-self'));
}

function nameOf(id: string): string {
  return readFileSync(`${TASKS}/${id}/comm`, 'utf8').trim();
}

function cpuNanosOf(id: string): number {
  return Number.parseInt(readFileSync(`${TASKS}/${id}/schedstat`, 'utf8'), 10);
}

/** Nothing for a thread that has ended in the meantime. */
function whileAlive<T>(read: () => T): T[] {
  try {
    return [read()];
  } catch {
    return [];
  }
}
