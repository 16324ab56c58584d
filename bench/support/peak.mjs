import { readFile } from 'node:fs/promises';

/** The most memory that a process has had at a time, in MB; undefined where the system is not Linux. */
export async function peakRss(pid) {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(status) ?? [];
  return kilobytes && kilobytes / 1024;
}
