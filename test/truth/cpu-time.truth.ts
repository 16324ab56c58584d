import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { DecodedProfile } from '../support/decoded-profile.js';
import { startWorkload, TestProcess, type Workload } from '../support/process.js';
import { atLeast, atMost, claim, within } from './claim.js';

/** Where the system tells the threads of a process. */
const describeOnLinux = process.platform === 'linux' ? describe : describe.skip;

/**
 * What the capture and Node read at different moments, and what the process does between them. Of the 1,500 ms that most
 * kinds of work take, these are 45 ms.
 */
const TOLERANCE = 0.03;

interface Measured {
  readonly profile: DecodedProfile;
  /** CPU time of the process as Node tells it. */
  readonly usedMs: number;
  /** CPU time of its other threads as the kernel tells it, in ms by their names. */
  readonly threads: Readonly<Record<string, number>>;
}

/** Whether V8's profiler is started for each capture, or runs from the boot on. */
const STARTS = [
  { warm: 'off', how: 'inspector' },
  { warm: 'always', how: 'inspector, warm' },
];

describe.each(STARTS)('the CPU time of a profile by $how', ({ warm, how }) => {
  let app: Workload;
  beforeAll(async () => {
    app = await startWorkload('cpu-time.mjs', { env: { SAMPLER: 'inspector', WARM: warm } });
  });
  afterAll(() => TestProcess.stopAll());

  it.each([
    ['a busy service', 'busy'],
    ['a service that gives the event loop no turn', 'withoutATurn'],
    ['a service that makes garbage', 'garbage'],
    ['a service that waits in calls that block, between its work', 'waitsAndWorks'],
    ["a service that works in libuv's threads", 'pool'],
  ])('is what process.cpuUsage says: %s', async (kind, order) => {
    claimTotal(`${kind}, by ${how}`, await measure(app, order));
  });

  it('is what process.cpuUsage says: a service that answers requests', async () => {
    await app.post('start');
    let left = 4000;
    const client = async (): Promise<void> => {
      while (left-- > 0) await app.post('answer');
    };
    await Promise.all(Array.from({ length: 10 }, client));
    claimTotal(`a service that answers requests, by ${how}`, await measure(app, 'stop'));
  });

  it('is that of the thread in a call that blocks, and not the real time', async () => {
    const { profile } = await measure(app, 'waits');
    const [blocked, spawned] = ['execSync', 'spawnSync'].map(
      (name) => profile.cumulative('cpu', name) / profile.durationNanos,
    );
    const n = profile.cumulative('samples', 'execSync');
    claim(
      `execSync of a second by ${how}: counts with the little CPU time that it takes`,
      blocked!,
      atMost(0.1, n),
    );
    // It calls spawnSync, which does all of that.
    claim(`execSync of a second by ${how}: is seen`, blocked!, atLeast(0.0001, n));
    claim(
      `execSync of a second by ${how}: is all in its callee spawnSync`,
      blocked! - spawned!,
      atMost(0.005, n),
    );
  });

  it('counts what V8 itself takes once, for (profiler), and for nobody else', async () => {
    await app.post('compile'); // so that it takes long to start
    const { profile, usedMs } = await measure(app, 'waits');
    const profiler = profile.flat('cpu', '(profiler)') / 1e6;
    const words = `with 60,000 functions, by ${how}: V8's own time`;
    // The kernel brings its counts up to date every few ms, and to look frames up after the capture takes time too.
    const apartSeconds = profile.total('cpu') / 1e9 - usedMs / 1000;
    claim(`${words} counts once, to a part of a second`, 1 + apartSeconds, within(0.06));
    if (warm === 'off') claim(`${words} is at (profiler)`, profiler / usedMs, atLeast(0.5));
    // It has not to be started: what is left is some segments to begin and to end.
    else claim(`${words} is next to nothing, in parts of a second`, profiler / 1000, atMost(0.02));
  });
});

describe.each(['inspector', 'pprof'])('a CPU profile by %s', (sampler) => {
  let app: Workload;
  beforeAll(async () => {
    app = await startWorkload('cpu-time.mjs', { env: { SAMPLER: sampler } });
  });
  afterAll(() => TestProcess.stopAll());

  describeOnLinux('of a process with other threads', () => {
    it('has their time by their names', async () => {
      const { profile, threads } = await measure(app, 'pool');
      const [name, usedMs] = Object.entries(threads).toSorted(([, a], [, b]) => b - a)[0]!;
      const told = profile.samples.filter(
        ({ stack }) => stack[0] === name && stack.at(-1) === '(other threads)',
      );
      const ms = told.reduce((sum, { values }) => sum + values.cpu!, 0) / 1e6;
      // The kernel tells it in ticks of 10 ms for each of four threads, which work for some 400 ms each.
      claim(
        `pbkdf2 in libuv's threads by ${sampler}: their CPU time is the kernel's`,
        ms / usedMs,
        within(0.1),
      );
    });
  });
});

describe('a CPU profile by pprof of a call that blocks', () => {
  afterAll(() => TestProcess.stopAll());

  it('counts the real time', async () => {
    const app = await startWorkload('cpu-time.mjs', { env: { SAMPLER: 'pprof' } });
    const { profile } = await measure(app, 'waits');
    const blocked = profile.cumulative('cpu', 'execSync') / 1e9;
    const n = profile.cumulative('samples', 'execSync');
    // V8 may start and stop its profiler beside the call, of which 10 samples are a tenth.
    claim('execSync of a second by pprof: counts with its real time', blocked, atLeast(0.9, n));
  });
});

async function measure(app: Workload, order: string): Promise<Measured> {
  const { profile, ...told } = await app.post<Omit<Measured, 'profile'> & { profile: string }>(order);
  return { ...told, profile: new DecodedProfile(Buffer.from(profile, 'base64')) };
}

function claimTotal(kind: string, { profile, usedMs }: Measured): void {
  if (usedMs < 500)
    throw new Error(`only ${usedMs} ms of CPU time, of which a tolerance in parts means nothing`);
  const n = profile.total('samples');
  claim(
    `${kind}: its CPU time is that of process.cpuUsage`,
    profile.total('cpu') / 1e6 / usedMs,
    within(TOLERANCE, n),
  );
}
