import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';

/** A thread of this process, as the kernel knows it. */
export interface NativeThread {
  readonly id: number;
  /** At most 15 letters; what nobody named is called `node`. */
  readonly name: string;
  readonly cpuNanos: number;
}

const TASKS = '/proc/self/task';

/** The threads of this process beside the calling one; none where the system does not list them (all but Linux). */
export function otherNativeThreads(): NativeThread[] {
  try {
    const own = ownThreadId();
    return readdirSync(TASKS)
      .filter((id) => id !== own)
      .flatMap((id) => threadOf(id) ?? []);
  } catch {
    return []; // no /proc
  }
}

/** The kernel's number of the calling thread. */
export function ownThreadId(): string {
  return basename(readlinkSync('/proc/thread-self'));
}

function threadOf(id: string): NativeThread | undefined {
  try {
    return {
      id: Number(id),
      name: readFileSync(`${TASKS}/${id}/comm`, 'utf8').trim(),
      cpuNanos: Number.parseInt(readFileSync(`${TASKS}/${id}/schedstat`, 'utf8'), 10),
    };
  } catch {
    return undefined; // it has ended in the meantime
  }
}
