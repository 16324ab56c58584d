import { readFileSync } from 'node:fs';
import { afterEach, describe, it } from '@jest/globals';
import { ownThreadId } from '../../src/sampling/native-threads.js';
import { openThreadClock, processCpuNanos, type ThreadClock } from '../../src/sampling/thread-clock.js';
import { atMost, claim, within } from './claim.js';

const BURN_MS = 2000;

/** Where there is `process.threadCpuUsage` too. */
const nodes = process as { threadCpuUsage?: typeof process.cpuUsage };
const { threadCpuUsage } = nodes;

const isLinux = process.platform === 'linux';

/** What the library may ask, in the order in which it does. */
const SOURCES = [
  ...(threadCpuUsage ? ['Node'] : []), // from 22.15 on
  ...(isLinux ? ['the kernel'] : []),
];

afterEach(() => {
  if (threadCpuUsage) nodes.threadCpuUsage = threadCpuUsage;
  else delete nodes.threadCpuUsage;
});

describe.each(SOURCES)('the clock of a thread by %s', (source) => {
  const open = (): ThreadClock => {
    if (source === 'the kernel') delete nodes.threadCpuUsage;
    return openThreadClock()!;
  };

  it("tells the thread's CPU time", () => {
    const clock = open();
    const [own, expected] = [clock.read(), otherCountNanos()];
    burn();
    const ratio = (clock.read() - own) / (otherCountNanos() - expected);
    clock.close();
    // Linux counts both in the same thread, the other one in ticks of 10 ms. Elsewhere the other count is the
    // whole process's, whose other threads have little to do.
    claim(
      `thread clock by ${source}: tells the CPU time that the thread burns`,
      ratio,
      within(isLinux ? 0.02 : 0.1),
    );
  });

  it('does not go on while the thread waits', () => {
    const clock = open();
    const begin = clock.read();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
    const spent = (clock.read() - begin) / 1e9;
    clock.close();
    claim(`thread clock by ${source}: stands still in a wait of a second`, spent, atMost(0.02));
  });
});

/** CPU time by another count than the library reads, in nanoseconds. */
function otherCountNanos(): number {
  if (!isLinux) return processCpuNanos();
  const stat = readFileSync(`/proc/self/task/${ownThreadId()}/stat`, 'utf8');
  const [user, system] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
    .map(Number);
  return (user! + system!) * 10e6;
}

function burn(): void {
  for (const until = processCpuNanos() + BURN_MS * 1e6; processCpuNanos() < until;);
}
