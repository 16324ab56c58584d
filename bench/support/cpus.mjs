// Who runs on which processor: with what the scheduler moves from one to the other, equal processes differ.
import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';

const run = promisify(execFile);
const SERVERS = '0';
const LOAD = '1';

/** Why nothing can be pinned; undefined where it can. */
export async function pinProblem() {
  if (availableParallelism() < 2) return 'there is one processor only';
  return run('taskset', ['-p', String(process.pid)]).then(
    () => undefined,
    () => 'there is no taskset',
  );
}

/** Puts all threads of a server, those to come included, on one processor. */
export function pinServer(pid) {
  return pin(pid, SERVERS);
}

/** Puts this process on the other one. */
export async function pinLoad() {
  const { stdout } = await run('taskset', ['-cp', String(process.pid)]);
  const before = stdout.trim().split(' ').at(-1);
  await pin(process.pid, LOAD);
  return { undo: () => pin(process.pid, before) };
}

function pin(pid, cpus) {
  return run('taskset', ['-acp', cpus, String(pid)]);
}
