import { executionAsyncId } from 'node:async_hooks';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { Controller, Get } from '@nestjs/common';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  DeltaCollector,
  type PprofModuleOptions,
  ProfilerArgumentError,
  ProfilerService,
} from '../src/index.js';
import { ADAPTERS, closeApps, startApp, type TestApp } from './support/app.js';
import { request } from './support/http.js';
import { DecodedProfile } from './support/process.js';
import { deltaByAddress, flawsOf } from './support/scraper.js';
import { until } from './support/until.js';
import { Watch } from './support/watch.js';

/** What requests wait for until the test ends. */
const hanging: (() => void)[] = [];

@Controller('cats')
class CatsController {
  @Get('hang')
  async hang(): Promise<string> {
    await new Promise<void>((resolve) => hanging.push(resolve));
    return 'over';
  }

  @Get('nap')
  async nap(): Promise<string> {
    await sleep(10);
    return 'awake';
  }
}

/** The profiles that cost, with their types as in Go. */
const PROFILES = [
  { name: 'block', types: ['contentions/count', 'delay/nanoseconds'], option: 'blockProfileRate' },
  { name: 'goroutine', types: ['goroutine/count'], option: 'goroutineProfileRate' },
  { name: 'goroutineleak', types: ['goroutineleak/count'], option: 'goroutineProfileRate' },
] as const;

const SETTERS = [
  { option: 'blockProfileRate', set: 'setBlockProfileRate', initial: 0, other: 16 },
  { option: 'goroutineProfileRate', set: 'setGoroutineProfileRate', initial: 0, other: 1000 },
  { option: 'cpuProfileRate', set: 'setCpuProfileRate', initial: 100, other: 99 },
] as const;

const ALL_ON: PprofModuleOptions = { blockProfileRate: 1, goroutineProfileRate: 1 };

const WITH_CATS = { controllers: [CatsController] };

afterEach(async () => {
  for (const goOn of hanging.splice(0)) goOn();
  await closeApps();
});

describe.each(ADAPTERS)('what tells of waits, on %s', (adapter) => {
  const start = (pprof: PprofModuleOptions = {}): Promise<TestApp> =>
    startApp(adapter, { ...WITH_CATS, pprof });

  describe.each(PROFILES)('$name', ({ name, types, option }) => {
    it('is of the types that Go has, and as scrapers take it', async () => {
      const app = await start(ALL_ON);
      await busy(app);
      const profile = await fetched(app, name);
      expect(typesOf(profile)).toEqual({ types, periodType: types[0], period: 1, shownFirst: '' });
      expect(profile.durationNanos).toBe(0);
      expect(profile.raw.mapping).toHaveLength(1);
      expect(flawsOf(profile)).toEqual([]);
    });

    it('is of the same types in a window in which nothing happens', async () => {
      const app = await start();
      const profile = await fetched(app, `${name}?seconds=1`);
      expect(typesOf(profile)).toEqual({ types, periodType: types[0], period: 1, shownFirst: '' });
      expect(profile.durationNanos / 1e9).toBeGreaterThan(0.9);
      expect(flawsOf(profile)).toEqual([]);
    });

    it('is there in code: collected, counted, written', async () => {
      const app = await start(ALL_ON);
      await busy(app);
      const profile = app.app.get(ProfilerService).lookup(name)!;
      const { samples } = (await profile.collect()).profile;
      expect(profile.count()).toBe(samples.length);
      const written = new PassThrough();
      const [shown] = await Promise.all([
        text(written),
        profile.writeTo(written, 1).then(() => written.end()),
      ]);
      expect(shown).toMatch(
        name === 'block' ? /^--- contention:\n/ : new RegExp(`^${name} profile: total \\d+\n`),
      );
    });

    it('says in the index and in itself that it is off, and how to see more', async () => {
      const off = await start();
      expect(rowOf(await page(off), name)).toMatch(new RegExp(`off: .*${option}.*seconds=`));
      expect((await fetched(off, name)).comments.join('\n')).toMatch(
        new RegExp(`off: .*${option}.*seconds=`),
      );
      const on = await start({ [option]: 1 });
      expect(rowOf(await page(on), name)).not.toContain('off: ');
      expect((await fetched(on, name)).comments.join('\n')).not.toContain('off: ');
    });

    it('says how many it stands for', async () => {
      const app = await start({ [option]: 16 });
      expect((await fetched(app, name)).comments.join('\n')).toMatch(
        /one (wait|await) in 16 is \w+, and stands for 16/,
      );
    });

    it.each([
      [
        'a client that goes away',
        async (window: Promise<unknown>, client: AbortController) => {
          client.abort();
          await expect(window).rejects.toThrow('aborted');
        },
      ],
    ])('switches nothing on for longer than a window: %s', async (_, end) => {
      const watch = new Watch();
      const app = await start({ interceptors: [watch] });
      const wasHooked = await isHooked();
      const client = new AbortController();
      const [begun, ended] = [watch.begun(), watch.ended()];
      const window = request(`${app.base}/${name}?seconds=30`, { signal: client.signal });
      await begun;
      await until(isHooked, Boolean);
      await end(window, client);
      await ended;
      await until(isHooked, (is) => is === wasHooked);
    });

    it('when the application closes a window is canceled, and nothing stays on', async () => {
      const watch = new Watch();
      const app = await start({ interceptors: [watch] });
      const wasHooked = await isHooked();
      const begun = watch.begun();
      const window = request(`${app.base}/${name}?seconds=30`);
      await begun;
      await until(isHooked, Boolean);
      await app.close();
      expect(await window).toMatchObject({ status: 500, text: 'context canceled\n' });
      expect(await isHooked()).toBe(wasHooked);
    });

    it('windows overlap, and the last one switches it off', async () => {
      const app = await start();
      const wasHooked = await isHooked();
      const deltas = app.app.get(DeltaCollector);
      const long = deltas.collect(name, { seconds: 0.5 });
      await deltas.collect(name, { seconds: 0.1 });
      expect(await isHooked()).toBe(true);
      await long;
      expect(await isHooked()).toBe(wasHooked);
    });
  });

  describe.each(SETTERS)('$set', ({ option, set, initial, other }) => {
    const setter = ({ app }: TestApp): ((rate: number) => number) => {
      const profiler = app.get(ProfilerService);
      return (rate) => profiler[set](rate);
    };

    it('returns the old rate, as in Go', async () => {
      const setRate = setter(await start());
      expect(setRate(other)).toBe(initial);
      expect(setRate(1)).toBe(other);
      expect(setter(await start({ [option]: 7 }))(1)).toBe(7);
    });

    it.each([-1, 0.5, NaN, Infinity, 2 ** 53, '16', null, undefined])('refuses %j', async (rate) => {
      const setRate = setter(await start({ [option]: 7 }));
      expect(() => setRate(rate as number)).toThrow(ProfilerArgumentError);
      expect(() => setRate(rate as number)).toThrow(String(rate));
      expect(setRate(1)).toBe(7);
    });
  });

  it('a rate of 0 in code switches it off', async () => {
    const wasHooked = await isHooked();
    const profiler = (await start(ALL_ON)).app.get(ProfilerService);
    expect(await isHooked()).toBe(true);
    profiler.setBlockProfileRate(0);
    expect(await isHooked()).toBe(true); // the other one
    profiler.setGoroutineProfileRate(0);
    expect(await isHooked()).toBe(wasHooked);
  });

  it('nothing is on in an application that is closed, or switched off', async () => {
    const wasHooked = await isHooked();
    const app = await start(ALL_ON);
    expect(await isHooked()).toBe(true);
    await app.close();
    expect(await isHooked()).toBe(wasHooked);
    await start({ ...ALL_ON, enabled: false });
    expect(await isHooked()).toBe(wasHooked);
  });

  it('each application has its own waits, and its rate', async () => {
    const [first, second] = [await start({ blockProfileRate: 1 }), await start()];
    await request(`${second.url}/cats/nap`);
    expect(napsIn(await fetched(first, 'block'))).toBe(1); // they are the process's
    expect(napsIn(await fetched(second, 'block'))).toBe(0);
    await second.close();
    await request(`${first.url}/cats/nap`);
    expect(napsIn(await fetched(first, 'block'))).toBe(2);
  });

  it('scrapers that subtract find what was waited for in between', async () => {
    const app = await start({ blockProfileRate: 1 });
    await request(`${app.url}/cats/nap`);
    const earlier = await fetched(app, 'block');
    for (let i = 0; i < 5; i++) await request(`${app.url}/cats/nap`);
    const later = await fetched(app, 'block');
    const gains = deltaByAddress(earlier, later, ['contentions', 'delay']);
    expect([...gains.values()].filter((values) => values.contentions! < 0 || values.delay! < 0)).toEqual([]);
    expect(napsIn(later) - napsIn(earlier)).toBe(5);
  });

  it('block has Go’s text, in nanoseconds, the longest first', async () => {
    const app = await start({ blockProfileRate: 1 });
    await busy(app);
    const { text } = await request(`${app.base}/block?debug=1`);
    expect(text).toMatch(/^--- contention:\ncycles\/second=1000000000\n(\d+ \d+ @( 0x[0-9a-f]+)+\n)/);
    const cycles = [...text.matchAll(/^(\d+) \d+ @/gm)].map(([, count]) => Number(count));
    expect(cycles).toEqual([...cycles].sort((a, b) => b - a));
    expect(cycles[0]).toBeGreaterThan(9e6); // a nap
  });
});

/** Requests that have waited, and one that waits. */
async function busy({ url }: TestApp): Promise<void> {
  for (let i = 0; i < 3; i++) await request(`${url}/cats/nap`);
  const before = hanging.length;
  request(`${url}/cats/hang`).catch(() => {}); // it ends with the test
  await until(
    () => request(`${url}/cats/nap`),
    () => hanging.length > before,
  );
}

async function fetched({ base }: TestApp, path: string): Promise<DecodedProfile> {
  const { status, body, text } = await request(`${base}/${path}`);
  expect({ status, text: status === 200 || text }).toEqual({ status: 200, text: true });
  return new DecodedProfile(body);
}

function napsIn(profile: DecodedProfile): number {
  return profile.stacks
    .filter(({ frames, values }) => frames[0]!.name === 'CatsController.nap' && values.delay! > 9e6)
    .reduce((sum, { values }) => sum + values.contentions!, 0);
}

async function page({ base }: TestApp): Promise<string> {
  return (await request(`${base}/`)).text;
}

/** Of the index. */
function rowOf(html: string, name: string): string {
  return html.split('<tr>').find((row) => row.includes(`<a href="${name}">`))!;
}

function typesOf({ raw }: DecodedProfile): object {
  const { strings } = raw.stringTable;
  const shown = ({ type, unit }: { type: number | bigint; unit: number | bigint }): string =>
    `${strings[Number(type)]}/${strings[Number(unit)]}`;
  return {
    types: raw.sampleType.map(shown),
    periodType: shown(raw.periodType!),
    period: Number(raw.period),
    shownFirst: strings[Number(raw.defaultSampleType)],
  };
}

/** Only while a hook is on is the reaction of each promise an execution of its own. */
async function isHooked(): Promise<boolean> {
  await Promise.resolve();
  const first = executionAsyncId();
  await Promise.resolve();
  return executionAsyncId() !== first;
}
