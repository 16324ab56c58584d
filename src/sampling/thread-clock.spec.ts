import { readdirSync, readlinkSync } from 'node:fs';
import { afterEach, describe, expect, it } from '@jest/globals';
import { otherThreadNanos, ownThreadId, threadName } from './native-threads.js';
import { openThreadClock, processCpuNanos, type ThreadClock } from './thread-clock.js';

const isLinux = process.platform === 'linux';
const describeOnLinux = isLinux ? describe : describe.skip;

/** Where there is `process.threadCpuUsage` too. */
const nodes = process as { threadCpuUsage?: typeof process.cpuUsage };

/** In ms of CPU time of the process. */
function burn(ms: number): void {
  for (const until = processCpuNanos() + ms * 1e6; processCpuNanos() < until;);
}

/** What a clock tells of a span in which this thread burns 200 ms; other threads of the process may use some of that. */
function shareOfBurnt(clock: ThreadClock | undefined): number {
  const [from, own] = [processCpuNanos(), clock!.read()];
  burn(200);
  const share = (clock!.read() - own) / (processCpuNanos() - from);
  clock!.close();
  return share;
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

const waitRealTime = (): unknown => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);

describe('openThreadClock', () => {
  const { threadCpuUsage } = nodes;
  afterEach(() => {
    if (threadCpuUsage) nodes.threadCpuUsage = threadCpuUsage;
    else delete nodes.threadCpuUsage;
  });

  (threadCpuUsage ? describe : describe.skip)('by Node', () => {
    it("tells the thread's CPU time", () => {
      const share = shareOfBurnt(openThreadClock());
      expect(share).toBeGreaterThan(0.5);
      expect(share).toBeLessThan(1.1);
    });

    it('opens no file', () => {
      const before = isLinux ? readdirSync('/proc/self/fd').length : 0;
      openThreadClock();
      expect(isLinux ? readdirSync('/proc/self/fd').length : 0).toBe(before);
    });
  });

  it('asks Node where that tells it', () => {
    nodes.threadCpuUsage = () => ({ user: 1000, system: 500 });
    expect(openThreadClock()!.read()).toBe(1_500_000);
  });

  describeOnLinux('by the kernel, where Node does not tell it', () => {
    it("tells the thread's CPU time", () => {
      delete nodes.threadCpuUsage;
      const share = shareOfBurnt(openThreadClock());
      expect(share).toBeGreaterThan(0.5);
      expect(share).toBeLessThan(1.1);
    });

    it('does not go on while the thread waits', () => {
      delete nodes.threadCpuUsage;
      const clock = openThreadClock()!;
      const begin = clock.read();
      waitRealTime();
      const spent = clock.read() - begin;
      clock.close();
      expect(spent).toBeLessThan(100e6);
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

  it('tells nothing where neither does', () => {
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

describeOnLinux('otherThreadNanos', () => {
  it('has the times of all but this one, which have names', () => {
    const threads = otherThreadNanos();
    const ids = readdirSync('/proc/self/task');
    expect(threads.size).toBeGreaterThan(0);
    for (const [id, nanos] of threads) {
      expect(ids).toContain(id);
      expect(id).not.toBe(ownThreadId());
      expect(threadName(id)).toMatch(/^\S.{0,14}$/);
      expect(nanos).toBeGreaterThanOrEqual(0);
    }
  });
});
