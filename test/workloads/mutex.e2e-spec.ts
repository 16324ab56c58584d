import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ProfilerArgumentError, ProfilerService } from '../../src/index.js';
import { ADAPTERS, closeApps, startApp } from '../support/app.js';
import { describeGo, goPprof, topRows } from '../support/go.js';
import { request } from '../support/http.js';
import { appFile, DecodedProfile, startWorkload, TestProcess, type Workload } from '../support/process.js';

const TOLERANCE = 0.1;

/** Of the other work that a hold has in it, in ms: garbage is collected, and the kernel takes its pages back. */
const ASIDE = 5;

const ON = { MUTEX_THRESHOLD: '50' };

/** Of a hold is with the function, at least; the rest is the garbage collector's: with Node 22 up to two thirds of JSON.parse. */
const LEAST = 0.2;

/** What the workload does, and the function of its own that does it. */
const HOLDS = [
  ['a large JSON.parse', 'parse', 'parseCats'],
  ['a loop', 'loop', 'longLoop'],
  ['a large readFileSync', 'file', 'readLargeFile'],
  ['500 short callbacks of setImmediate in a row', 'immediates', 'shortCallback'],
  ['500 short microtasks in a row', 'microtasks', 'shortCallback'],
] as const;

const SAMPLERS = ['pprof', 'inspector'];

describe('mutex', () => {
  let app: Workload;
  beforeAll(async () => {
    app = await startWorkload('mutex.mjs', { env: ON });
  });
  afterAll(() => TestProcess.stopAll());

  it.each(HOLDS)('names who held the event loop, and for how long: %s', async (_, order, name) => {
    const { gained, held } = await hold(app, order);
    expect(gained('contentions', name)).toBe(1);
    expectAbout((gained('delay', name) + gained('delay', '(garbage collector)')) / 1e6, held);
    expect(gained('delay', name) / 1e6).toBeGreaterThan((held.ms - held.preempted) * LEAST);
  });

  it.each(SAMPLERS)('does so while a CPU profile runs by %s', async (sampler) => {
    const running = app.profile(`profile?seconds=1&sampler=${sampler}`);
    const { gained, held } = await hold(app, 'loop');
    const cpu = await running;
    expectAbout(gained('delay', 'longLoop') / 1e6, held);
    expect(cpu.cumulative('samples', 'longLoop')).toBeGreaterThan(10);
  });

  it('does so while others profile, and both have their own', async () => {
    await app.post('otherProfiles');
    const { gained, held } = await hold(app, 'loop');
    const { titles, names } = await app.post<{ titles: string[]; names: string[] }>('otherStops');
    expectAbout(gained('delay', 'longLoop') / 1e6, held);
    expect(titles.filter((title) => !title.startsWith('nestjs-pprof'))).toHaveLength(1);
    expect(names).toContain('longLoop');
  });

  it('counts up, and a window has what came in it', async () => {
    const before = await app.profile('mutex');
    const opened = app.profile('mutex?seconds=1');
    const held = await app.post<Held>('loop');
    const window = await opened;
    const after = await app.profile('mutex');
    const [earlier, later] = [before, after].map((profile) => profile.cumulative('contentions', 'longLoop'));
    expect(later).toBe(earlier! + 1);
    expect(window.cumulative('contentions', 'longLoop')).toBe(1);
    expectAbout(window.cumulative('delay', 'longLoop') / 1e6, held);
    expect(window.durationNanos / 1e9).toBeGreaterThan(0.9);
  });

  it('is of the types that Go has', async () => {
    const { raw, sampleTypes } = await app.profile('mutex');
    const texts = raw.stringTable.strings;
    expect(sampleTypes).toEqual(['contentions', 'delay']);
    expect(raw.sampleType.map(({ unit }) => texts[Number(unit)])).toEqual(['count', 'nanoseconds']);
    expect(texts[Number(raw.periodType!.type)]).toBe('contentions');
    expect(Number(raw.period)).toBe(1);
    expect(Number(raw.durationNanos)).toBe(0);
  });

  describeGo('for go tool pprof', () => {
    it.each(['', '?debug=1'])('mutex%s', async (query) => {
      await hold(app, 'loop');
      const rows = topRows(await goPprof('-top', '-total_delay', app.pprof(`mutex${query}`)));
      expect(rows.get('longLoop')?.cum).toMatch(/s$/);
      const counts = topRows(await goPprof('-top', '-contentions', app.pprof(`mutex${query}`)));
      expect(Number(counts.get('longLoop')?.cum)).toBeGreaterThan(0);
    });
  });

  it('has Go’s text', async () => {
    const text = await (await fetch(app.pprof('mutex?debug=1'))).text();
    expect(text).toMatch(
      /^--- mutex:\ncycles\/second=1000000000\nsampling period=1\n\d+ \d+ @( 0x[0-9a-f]+)+\n#\t0x/,
    );
    expect(text).toContain('longLoop');
  });

  it('is kept when it is turned off, and counts no more', async () => {
    expect(await app.post('off')).toEqual({ old: 50 });
    const before = await app.profile('mutex');
    await app.post('loop');
    const after = await app.profile('mutex');
    expect(after.total('contentions')).toBe(before.total('contentions'));
    expect(await app.post('on')).toEqual({ old: 0 });
    expect(await app.post('on')).toEqual({ old: 50 });
  });
});

describe('mutex with the threshold 0', () => {
  let app: Workload;
  beforeAll(async () => {
    app = await startWorkload('mutex.mjs');
  });
  afterAll(() => TestProcess.stopAll());

  it('is empty, and says why', async () => {
    await app.post('loop');
    const profile = await app.profile('mutex');
    expect(profile.samples).toEqual([]);
    expect(profile.sampleTypes).toEqual(['contentions', 'delay']);
    expect(profile.comments[0]).toContain('mutexProfileThreshold is 0');
  });

  it('watches for a window', async () => {
    const opened = app.profile('mutex?seconds=1');
    await begun(app);
    const held = await app.post<Held>('loop');
    const window = await opened;
    expect(window.cumulative('contentions', 'longLoop')).toBe(1);
    expectAbout(window.cumulative('delay', 'longLoop') / 1e6, held);
    expect(window.comments[0]).toContain('longer than 50 ms');
    expect((await app.profile('mutex')).comments[0]).toContain('mutexProfileThreshold is 0');
  });

  it('finds nobody who holds a healthy server with 50 connections', async () => {
    const opened = app.profile('mutex?seconds=2');
    const until = performance.now() + 2000;
    const client = async (): Promise<void> => {
      while (performance.now() < until) await app.post('cats');
    };
    await Promise.all(Array.from({ length: 50 }, client));
    // On a machine that has more to do V8's collector may have to wait for its helpers.
    const holders = (await opened).samples.filter(({ stack }) => stack[0] !== '(garbage collector)');
    expect(holders.filter(({ values }) => values.contentions! > 0)).toEqual([]);
  });
});

describe('a watch of the event loop', () => {
  afterAll(() => TestProcess.stopAll());

  it('leaves nothing after a hundred times on and off, and keeps no process alive', async () => {
    const watching = new TestProcess(process.execPath, ['--expose-gc', appFile('watch-cycles.mjs')]);
    const [, told] = await watching.printed(/^(\{.*\})\n/m);
    const { before, after } = JSON.parse(told!) as Record<'before' | 'after', Open>;
    const { heapMb, rssMb, ...open } = after;
    expect(before).toMatchObject(open);
    expect(heapMb - before.heapMb).toBeLessThan(0.5);
    expect(rssMb - before.rssMb).toBeLessThan(10);
    await watching.printed(/^ends$/m);
    expect(await watching.exited).toBe(0);
  });
});

interface Open {
  readonly sessions: number;
  readonly heapMb: number;
  readonly rssMb: number;
}

describe.each(ADAPTERS)('the mutex threshold on %s', (adapter) => {
  afterEach(closeApps);

  it.each([-1, Number.NaN, '50', undefined])('takes no %s', async (ms) => {
    const { app } = await startApp(adapter);
    const profiler = app.get(ProfilerService);
    expect(() => profiler.setMutexProfileThreshold(ms as number)).toThrow(ProfilerArgumentError);
    expect(profiler.setMutexProfileThreshold(0)).toBe(0);
  });

  it('that is tiny loses no hold, also one that no sample has seen', async () => {
    const { app, base } = await startApp(adapter, { pprof: { mutexProfileThreshold: 0.001 } });
    const { body } = await request(`${base}/mutex`);
    const profile = new DecodedProfile(body);
    expect(profile.total('contentions')).toBeGreaterThan(0);
    expect(profile.samples.every(({ stack }) => stack.length > 0)).toBe(true);
    expect(app.get(ProfilerService).setMutexProfileThreshold(0)).toBe(0.001);
  });
});

/** How long a hold took, and how much of that the machine ran something else, in ms. */
interface Held {
  readonly ms: number;
  readonly preempted: number;
}

/** Makes the workload hold the loop, and tells what the profile has gained by that, with a function on the stack. */
async function hold(
  app: Workload,
  order: string,
): Promise<{ gained(type: string, name: string): number; held: Held }> {
  const before = await app.profile('mutex');
  const held = await app.post<Held>(order);
  const after = await app.profile('mutex');
  return { gained: (type, name) => after.cumulative(type, name) - before.cumulative(type, name), held };
}

/** Time without a processor is nobody's hold; that of what else was in the turn is in the delay, and not in `preempted`. */
function expectAbout(delay: number, { ms, preempted }: Held): void {
  const aside = ms * TOLERANCE + ASIDE;
  const isAbout = delay > ms - preempted - aside && delay < ms + preempted + aside;
  expect({ delay, ms, preempted, isAbout }).toEqual({ delay, ms, preempted, isAbout: true });
}

/** A window over HTTP is open when a request that came after it is answered. */
async function begun(app: Workload): Promise<void> {
  await app.post('cats');
}
