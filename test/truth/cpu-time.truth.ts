import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ProfilerArgumentError, ProfilerService } from '../../src/index.js';
import { ADAPTERS, closeApps, startApp } from '../support/app.js';
import { request } from '../support/http.js';
import { DecodedProfile } from '../support/decoded-profile.js';
import { appFile, startWorkload, TestProcess, type Workload } from '../support/process.js';

const TOLERANCE = 0.03;

/** Where there is nearly nothing to measure: the kernel brings its counts up to date every few ms. */
const TOLERANCE_MS = 15;

/** Where the system tells the threads of a process. */
const describeOnLinux = process.platform === 'linux' ? describe : describe.skip;

interface Measured {
  profile: DecodedProfile;
  /** CPU time of the process as Node tells it. */
  usedMs: number;
  /** CPU time of its other threads as the kernel tells it, in ms by their names. */
  threads: Readonly<Record<string, number>>;
}

describe('the CPU time of a profile by inspector', () => {
  let app: Workload;
  beforeAll(async () => {
    app = await startWorkload('cpu-time.mjs', { env: { SAMPLER: 'inspector' } });
  });
  afterAll(() => TestProcess.stopAll());

  it.each([
    ['a busy service', 'busy'],
    ['one that gives the event loop no turn', 'withoutATurn'],
    ['one that makes garbage', 'garbage'],
    ['one that waits in calls that block, between its work', 'waitsAndWorks'],
    ["one that works in libuv's threads", 'pool'],
  ])('is what process.cpuUsage says: %s', async (_, kind) => {
    expect(deviation(await measure(app, kind))).toBeLessThan(TOLERANCE);
  });

  it('is what process.cpuUsage says: one that serves', async () => {
    await app.post('start');
    let left = 4000;
    const client = async (): Promise<void> => {
      while (left-- > 0) await app.post('answer');
    };
    await Promise.all(Array.from({ length: 10 }, client));
    expect(deviation(await measure(app, 'stop'))).toBeLessThan(TOLERANCE);
  });

  it('is that of the thread in a call that blocks, and not the real time', async () => {
    const { profile } = await measure(app, 'waits');
    const [blocked, spawned] = ['execSync', 'spawnSync'].map((name) => profile.cumulative('cpu', name) / 1e6);
    expect(blocked).toBeGreaterThan(0);
    expect(blocked).toBeLessThan(100);
    expect(Math.abs(spawned! - blocked!)).toBeLessThan(5);
    expect(profile.durationNanos / 1e6).toBeGreaterThan(1000);
  });

  it('counts what V8 itself takes once, for (profiler), and for nobody else', async () => {
    await app.post('compile'); // so that it takes long
    const { profile, usedMs } = await measure(app, 'waits');
    // To look its frames up for the first time, after the capture, takes time too.
    expect(Math.abs(profile.total('cpu') / 1e6 - usedMs)).toBeLessThan(4 * TOLERANCE_MS);
    expect(profile.flat('cpu', '(profiler)') / 1e6).toBeGreaterThan(usedMs / 2);
  });
});

describe.each([
  {
    sampler: 'inspector',
    weighed:
      "weighted by the thread's CPU clock; with (program), (profiler) and (other threads) they are the CPU time of the process",
  },
  {
    sampler: 'pprof',
    weighed:
      'weighted by the real interval: calls that block count as if they computed; (other threads) is measured CPU time',
  },
])('a CPU profile by $sampler', ({ sampler, weighed }) => {
  let app: Workload;
  let pool: Measured;
  beforeAll(async () => {
    app = await startWorkload('cpu-time.mjs', { env: { SAMPLER: sampler } });
    pool = await measure(app, 'pool');
  });
  afterAll(() => TestProcess.stopAll());

  it('says what its time is', () => {
    expect(pool.profile.comments).toContain(weighed);
  });

  describeOnLinux('that has other threads', () => {
    it('has their time by their names', () => {
      const [name, usedMs] = Object.entries(pool.threads).toSorted(([, a], [, b]) => b - a)[0]!;
      expect(usedMs).toBeGreaterThan(500);
      const told = pool.profile.samples.filter(({ stack }) => stack.at(-1) === '(other threads)');
      const inPool = told.filter(({ stack }) => stack[0] === name);
      expect(inPool.map(({ stack }) => stack)).toEqual([[name, '(other threads)']]);
      expect(Math.abs(inPool[0]!.values.cpu! / 1e6 / usedMs - 1)).toBeLessThan(0.1);
      const known = [...Object.keys(pool.threads), 'v8:ProfEvntProc', '(other threads)'];
      expect(known).toEqual(expect.arrayContaining(told.map(({ stack }) => stack[0])));
    });
  });

  it('has no sample of what no sampler has seen', () => {
    const apart = pool.profile.samples.filter(({ stack: [, caller] }) => caller === '(other threads)');
    expect(apart.every(({ values }) => values.samples === 0 && values.cpu! > 0)).toBe(true);
  });
});

describe('a CPU profile by pprof', () => {
  afterEach(() => TestProcess.stopAll());

  it('counts real time in a call that blocks', async () => {
    const app = await startWorkload('cpu-time.mjs', { env: { SAMPLER: 'pprof' } });
    const { profile } = await measure(app, 'waits');
    expect(profile.cumulative('cpu', 'execSync') / 1e6).toBeGreaterThan(900);
  });
});

describe('sampler=', () => {
  afterEach(() => TestProcess.stopAll());

  it.each([
    ['pprof', 'inspector'],
    ['inspector', 'pprof'],
  ])('in an app that samples by %s takes %s for one capture', async (usual, other) => {
    const app = await startWorkload('cpu.mjs', { env: { SAMPLER: usual } });
    const takenBy = async (query: string): Promise<string | undefined> => {
      const profile = await app.profile(`profile?seconds=1&${query}`);
      expect(profile.total('samples')).toBeGreaterThan(30);
      expect(profile.cumulative('cpu', 'hotA')).toBeGreaterThan(profile.cumulative('cpu', 'hotB'));
      return /^CPU samples of the main thread by (\w+) at/.exec(profile.comments[0]!)?.[1];
    };
    expect(await takenBy(`sampler=${other}`)).toBe(other);
    expect(await takenBy('')).toBe(usual);
    expect(await takenBy(`sampler=${usual}`)).toBe(usual);
    expect(await takenBy('sampler=')).toBe(usual);
  });

  it('pprof is refused where it cannot be loaded, and the next capture works', async () => {
    const app = await startWorkload('cpu.mjs', { flags: ['--import', appFile('no-pprof.mjs')] });
    const refused = await fetch(app.pprof('profile?seconds=1&sampler=pprof'));
    expect(refused.status).toBe(400);
    expect(refused.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(await refused.text()).toMatch(
      /^[^\n]*the sampler "pprof" cannot be loaded \(Could not locate the bindings file\)\n$/,
    );
    expect((await app.profile('profile?seconds=1')).comments[0]).toContain('by inspector');
    expect(app.process.output).not.toContain('ERROR');
  });

  it('pprof is refused in a worker thread', async () => {
    const app = await startWorkload('in-worker.mjs', { env: { APP: './heap.mjs' } });
    const refused = await fetch(app.pprof('profile?seconds=1&sampler=pprof'));
    expect(refused.status).toBe(400);
    expect(await refused.text()).toContain('(it works in the main thread only)');
  });
});

describe.each(ADAPTERS)('sampler= on %s', (adapter) => {
  afterEach(closeApps);

  it.each(['datadog', 'auto', 'PPROF', 'pprof,inspector', '1'])('%s is 400', async (sampler) => {
    const { base } = await startApp(adapter);
    for (const method of ['GET', 'HEAD']) {
      const { status, text } = await request(`${base}/profile?seconds=1&sampler=${sampler}`, { method });
      expect({ status, text }).toEqual({
        status: 400,
        text: method === 'GET' ? 'invalid value for "sampler" - must be pprof or inspector\n' : '',
      });
    }
  });

  it('is not for heap', async () => {
    const { base } = await startApp(adapter);
    expect((await request(`${base}/heap?sampler=datadog`)).status).toBe(200);
  });

  it('unknown in code: an error that names those there are', async () => {
    const { app } = await startApp(adapter);
    const capture = app.get(ProfilerService).cpuProfile({ seconds: 0.01, sampler: 'datadog' as 'pprof' });
    await expect(capture).rejects.toThrow(ProfilerArgumentError);
    await expect(capture).rejects.toThrow('sampler is datadog: it takes pprof or inspector');
  });
});

describe.each(['pprof', 'inspector'])('gc=1 on profile by %s', (sampler) => {
  afterEach(() => TestProcess.stopAll());

  it('collects the garbage first', async () => {
    const app = await startWorkload('cpu.mjs', { env: { SAMPLER: sampler }, flags: ['--trace-gc'] });
    const collections = (): number => app.process.output.split('low memory notification').length - 1;
    await app.profile('profile?seconds=1');
    expect(collections()).toBe(0);
    const profile = await app.profile('profile?seconds=1&gc=1');
    expect(collections()).toBeGreaterThan(0);
    expect(profile.cumulative('cpu', 'hotA')).toBeGreaterThan(0);
  });
});

async function measure(app: Workload, order: string): Promise<Measured> {
  const { profile, ...told } = await app.post<Omit<Measured, 'profile'> & { profile: string }>(order);
  return { ...told, profile: new DecodedProfile(Buffer.from(profile, 'base64')) };
}

/** Of the total from what the process used, as a part of it. */
function deviation({ profile, usedMs }: Measured): number {
  expect(usedMs).toBeGreaterThan(500); // or a tolerance would have no meaning
  return Math.abs(profile.total('cpu') / 1e6 / usedMs - 1);
}
