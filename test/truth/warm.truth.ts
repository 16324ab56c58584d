import { basename, dirname } from 'node:path';
import { afterEach, describe, it } from '@jest/globals';
import { DecodedProfile } from '../support/decoded-profile.js';
import { appFile, startWorkload, TestProcess, type Workload } from '../support/process.js';
import { atLeast, atMost, claim, share, within } from './claim.js';

/** The binaries of Node to ask, separated by colons; the running one if there is no such variable. */
const NODES = (process.env.TRUTH_NODES ?? process.execPath).split(':');

/** No other V8 profiler runs, and no map is read. */
const QUIET = { MEM_RATE: '0', SOURCE_MAPS: 'off' };

/** Captures are warm at the rate of the recorder, which is 100 Hz by default. */
const RECORDER = { ...QUIET, WARM: 'always', FLIGHT_RECORDER: '{ "seconds": 60 }' };
const FAST = { ...RECORDER, FLIGHT_RECORDER: '{ "hz": 1000 }' };

/** Of the CPU time in a capture, by shares.mjs. */
const SHARES = { hotA: 0.7, hotB: 0.3 };

afterEach(() => TestProcess.stopAll());

describe.each(NODES)('a warm capture on %s of code that was replaced on the stack before it', (node) => {
  const version = node === process.execPath ? process.version : basename(dirname(dirname(node)));

  it('gives each function its share', async () => {
    const app = await startWorkload('shares.mjs', { env: FAST, node });
    const profile = await capturedBy(app);
    const work = profile.cumulative('cpu', 'replacedOnStack');
    const n = profile.cumulative('samples', 'replacedOnStack');
    for (const [name, part] of Object.entries(SHARES)) {
      const words = `warm, Node ${version}: ${name}, in a loop that was compiled before the capture, has its share`;
      claim(words, profile.cumulative('cpu', name) / work, share(part, n));
    }
  });
});

describe('profile?past=30', () => {
  it('names a burst of five seconds, its time and its share of the CPU time', async () => {
    const app = await startWorkload('shares.mjs', { env: RECORDER });
    const { burstMs, usedMs } = await app.post<Record<'burstMs' | 'usedMs', number>>('bursts');
    const past = await app.profile('profile?past=30');
    const n = past.cumulative('samples', 'burst');
    const ms = past.cumulative('cpu', 'burst') / 1e6;
    // What the issue of the flight recorder asks for. The process tells its time since it listens, the recorder has begun before.
    claim('past=30 after a burst of 5 s: has the CPU time of the burst', ms / burstMs, within(0.05, n));
    const ofAll = ms / (past.total('cpu') / 1e6) / (burstMs / usedMs);
    claim('past=30 after a burst of 5 s: has the share of the burst', ofAll, within(0.05, n));
  });
});

describe("a process that keeps V8's profiler warm", () => {
  it('retains no logged object', async () => {
    const app = await startWorkload('shares.mjs', { env: RECORDER });
    const { logged, alive } = await app.post<Record<'logged' | 'alive', number>>('logged');
    // V8 may have the last one in a register.
    claim('warm: of 1,000 logged objects so many are alive a second later', alive / logged, atMost(0.002));
  });
});

describe('ten hours of rotations', () => {
  interface Tenth {
    readonly medianMs: number;
    readonly p99Ms: number;
    readonly rss: number;
    readonly heapUsed: number;
  }

  it('take the same memory and hold the event loop for the same time from first to last', async () => {
    const app = new TestProcess(process.execPath, [appFile('rotations.mjs')]);
    const [, told] = await app.printed(/^rotated (.+)\n/m);
    const { hits, tenths } = JSON.parse(told!) as { hits: number; tenths: readonly Tenth[] };
    const [first, last] = [tenths[0]!, tenths.at(-1)!];
    const ratio = (of: (tenth: Tenth) => number): number => of(last) / of(first);
    const words = '36,000 rotations: the last tenth by the first';
    claim(
      `${words}: memory on the heap`,
      ratio(({ heapUsed }) => heapUsed),
      atMost(1.1),
    );
    // The allocator takes some MB more at first; and V8 itself some 200 bytes for each profile that it ever began, 7 MB in all.
    claim(
      `${words}: memory of the process`,
      ratio(({ rss }) => rss),
      atMost(1.25),
    );
    // On a machine that has more or less to do then.
    claim(
      `${words}: usual hold`,
      ratio(({ medianMs }) => medianMs),
      atMost(2),
    );
    claim('36,000 rotations: 99 % of the holds, in ms', last.p99Ms / 100, atMost(0.05));
    claim('36,000 rotations: a second of work afterwards has its samples', hits / 1000, atLeast(0.8));
  }, 600_000);
});

async function capturedBy(app: Workload): Promise<DecodedProfile> {
  const { profile } = await app.post<{ profile: string }>('replacedOnStack');
  return new DecodedProfile(Buffer.from(profile, 'base64'));
}
