import { opendirSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';

/** A thread of this process, as the kernel knows it. */
export interface NativeThread {
  readonly id: string;
  /** At most 15 letters; what nobody named is called `node`. */
  readonly name: string;
}

const TASKS = '/proc/self/task';

/** The threads of this process; none where the system does not list them (all but Linux). */
export function nativeThreads(): NativeThread[] {
  return threadIds().flatMap((id) => {
    const name = threadName(id);
    return name === undefined ? [] : { id, name };
  });
}

/** The name of a thread; undefined when it has ended. */
export function threadName(id: string): string | undefined {
  return readOf(id, 'comm')?.trim();
}

/** What each thread beside the calling one has used so far, in nanoseconds of CPU time. */
export function otherThreadNanos(): Map<string, number> {
  const ids = threadIds();
  const own = ids.length > 0 ? ownThreadId() : undefined;
  const nanos = new Map<string, number>();
  for (const id of ids) {
    const used = id === own ? undefined : readOf(id, 'schedstat');
    if (used !== undefined) nanos.set(id, Number.parseInt(used, 10));
  }
  return nanos;
}

/** The kernel's numbers of the threads of this process; none where it does not tell. */
export function threadIds(): string[] {
  try {
    return readdirSync(TASKS);
  } catch {
    return []; // no /proc
  }
}

/** The thread that was started last: the kernel lists them in that order. */
export function newestThreadId(): string | undefined {
  try {
    const directory = opendirSync(TASKS); // readdirSync would sort them
    try {
      let newest: string | undefined;
      for (let entry; (entry = directory.readSync());) newest = entry.name;
      return newest;
    } finally {
      directory.closeSync();
    }
  } catch {
    return undefined;
  }
}

/** The kernel's number of the calling thread. */
export function ownThreadId(): string {
  return basename(readlinkSync('/proc/thread-self'));
}

function readOf(id: string, file: string): string | undefined {
  try {
    return readFileSync(`${TASKS}/${id}/${file}`, 'utf8');
  } catch {
    return undefined; // it has ended in the meantime
  }
}
