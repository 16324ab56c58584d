import { readdirSync, readlinkSync } from 'node:fs';
import { afterEach, describe, expect, it } from '@jest/globals';
import { otherNativeThreads, ownThreadId } from './native-threads.js';
import { openThreadClock, type ThreadClock } from './thread-clock.js';

const isLinux = process.platform === 'linux';
const describeOnLinux = isLinux ? describe : describe.skip;

/** Where there is `process.threadCpuUsage` too. */
const nodes = process as { threadCpuUsage?: typeof process.cpuUsage };

/** Keeps this thread busy until its clock has advanced by a millisecond, or the process has spent seconds. */
function burnUntilItAdvances(clock: ThreadClock): number {
  const begin = clock.read();
  const { user } = process.cpuUsage();
  while (clock.read() < begin + 1e6 && process.cpuUsage().user < user + 5e6);
  return clock.read() - begin;
}

/** How many files of the kernel's count are open. */
function filesOfClocks(): number {
  return readdirSync('/proc/self/fd').filter((id) => {
    try {
      return readlinkSync(`/proc/self/fd/${id}`).endsWith('/schedstat');
    } catch {
      return false; // that of the list itself
    }
  }).length;
}

describe('openThreadClock', () => {
  const { threadCpuUsage } = nodes;
  afterEach(() => {
    if (threadCpuUsage) nodes.threadCpuUsage = threadCpuUsage;
    else delete nodes.threadCpuUsage;
  });

  (threadCpuUsage ? describe : describe.skip)('by process.threadCpuUsage', () => {
    it("advances with the thread's work", () => {
      expect(burnUntilItAdvances(openThreadClock()!)).toBeGreaterThanOrEqual(1e6);
    });

    it('opens no file', () => {
      const before = isLinux ? filesOfClocks() : 0;
      openThreadClock();
      expect(isLinux ? filesOfClocks() : 0).toBe(before);
    });
  });

  it('uses process.threadCpuUsage where it exists', () => {
    nodes.threadCpuUsage = () => ({ user: 1000, system: 500 });
    expect(openThreadClock()!.read()).toBe(1_500_000);
  });

  describeOnLinux('by the kernel, on older versions of Node', () => {
    it("advances with the thread's work", () => {
      delete nodes.threadCpuUsage;
      const clock = openThreadClock()!;
      expect(burnUntilItAdvances(clock)).toBeGreaterThanOrEqual(1e6);
      clock.close();
    });

    it('keeps a file open until it is closed', () => {
      delete nodes.threadCpuUsage;
      const before = filesOfClocks();
      const clock = openThreadClock()!;
      expect(filesOfClocks()).toBe(before + 1);
      clock.close();
      expect(filesOfClocks()).toBe(before);
    });
  });

  it('is undefined where there is neither', () => {
    delete nodes.threadCpuUsage;
    const platform = Object.getOwnPropertyDescriptor(process, 'platform')!;
    Object.defineProperty(process, 'platform', { ...platform, value: 'darwin' });
    try {
      expect(openThreadClock()).toBeUndefined();
    } finally {
      Object.defineProperty(process, 'platform', platform);
    }
  });
});

describeOnLinux('otherNativeThreads', () => {
  it('are all threads but this one, with names and times', () => {
    const threads = otherNativeThreads();
    const ids = readdirSync('/proc/self/task').map(Number);
    expect(threads.length).toBeGreaterThan(0);
    for (const { id, name, cpuNanos } of threads) {
      expect(ids).toContain(id);
      expect(id).not.toBe(Number(ownThreadId()));
      expect(name).toMatch(/^\S.{0,14}$/);
      expect(cpuNanos).toBeGreaterThanOrEqual(0);
    }
  });
});
