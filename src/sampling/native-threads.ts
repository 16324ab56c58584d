import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';

/** A kernel thread of this process. */
export interface NativeThread {
  readonly id: number;
  /** At most 15 bytes; a thread inherits the name of the thread that created it unless it sets one. */
  readonly name: string;
  readonly cpuNanos: number;
}

/** Kernel names of all threads of this process. */
export interface ThreadNames {
  readonly main: string;
  readonly others: readonly string[];
}

const TASKS = '/proc/self/task';

/** The threads of this process except the calling one; empty if the system does not list them (all except Linux). */
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

/** Kernel ids of all threads of this process; empty if the system does not list them (all except Linux). */
export function nativeThreadIds(): number[] {
  try {
    return readdirSync(TASKS).map(Number);
  } catch {
    return []; // no /proc
  }
}

/** Names of all threads of this process; undefined if the system does not list them (all except Linux). */
export function threadNames(): ThreadNames | undefined {
  try {
    const main = basename(readlinkSync('/proc/self')); // its id is the pid in the namespace of this /proc
    const others = readdirSync(TASKS).filter((id) => id !== main);
    return { main: nameOf(main), others: others.flatMap((id) => whileAlive(() => nameOf(id))) };
  } catch {
    return undefined; // no /proc
  }
}

/** Kernel id of the calling thread. */
export function ownThreadId(): string {
  return basename(readlinkSync('/proc/thread-self'));
}

function nameOf(id: string): string {
  return readFileSync(`${TASKS}/${id}/comm`, 'utf8').trim();
}

function cpuNanosOf(id: string): number {
  return Number.parseInt(readFileSync(`${TASKS}/${id}/schedstat`, 'utf8'), 10);
}

/** Empty if the thread has ended in the meantime. */
function whileAlive<T>(read: () => T): T[] {
  try {
    return [read()];
  } catch {
    return [];
  }
}
