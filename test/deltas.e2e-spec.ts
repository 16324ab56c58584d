import { setImmediate } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  type CaptureEvent,
  DeltaCollector,
  type DeltaOptions,
  PprofHandler,
  PprofModule,
  type PprofModuleOptions,
  ProfilerArgumentError,
  ProfilerCanceledError,
  ProfilerService,
  type ProfileSampleSource,
  ProfileSource,
  type ProfileWindow,
  type SourceSample,
  UnsupportedWindowError,
} from '../src/index.js';
import { isSampling } from '../src/sampling/inspector-heap.js';
import { ADAPTERS, type AppSetup, closeApps, startApp, type TestApp } from './support/app.js';
import { type Answer, request } from './support/http.js';
import { linesOf } from './support/log.js';
import { DecodedProfile } from './support/process.js';
import { Watch } from './support/watch.js';

const BAD_SECONDS = 'invalid value for "seconds" - must be a positive integer\n';
const UNSUPPORTED = '"seconds" parameter is not supported for this profile type\n';
const TIMEOUT = "profile duration exceeds server's WriteTimeout\n";
const TOO_LONG = 'seconds exceeds the maximum of 300\n';
const INCOMPATIBLE = 'seconds and debug params are incompatible\n';
const CANCELED = 'context canceled\n';

const HEAP_TYPES = ['alloc_objects/count', 'alloc_space/bytes', 'inuse_objects/count', 'inuse_space/bytes'];

/** A source whose values count up. */
@ProfileSource({
  name: 'jobs',
  description: 'Jobs that were done, by kind.',
  sampleTypes: [
    { type: 'jobs', unit: 'count' },
    { type: 'busy', unit: 'nanoseconds' },
  ],
  cumulative: true,
})
@Injectable()
class Jobs implements ProfileSampleSource {
  private readonly done = new Map<string, number>();

  do(kind: string, count: number): void {
    this.done.set(kind, (this.done.get(kind) ?? 0) + count);
  }

  samples(): SourceSample[] {
    return Array.from(this.done, ([kind, count]) => ({
      stack: [kind, 'work'],
      values: [count, count * 1000],
      labels: { kind },
    }));
  }
}

@ProfileSource({ name: 'queue', description: 'Jobs that wait.' })
@Injectable()
class Queue implements ProfileSampleSource {
  samples(): SourceSample[] {
    return [{ stack: ['mail'], values: [3] }];
  }
}

/** What a function here allocates is a hundred samples then. */
const RATE = 4096;

/** Everything that has windows, and everything that has none. */
const withProfiles = (pprof: PprofModuleOptions = {}): AppSetup => ({
  imports: [PprofModule.forFeature([{ name: 'conns', description: 'Connections.' }])],
  providers: [Jobs, Queue],
  pprof: { memProfileRate: RATE, ...pprof },
});

const kept: unknown[] = [];

/** No strings: V8 has caches of its own for these. Of their full size at once: what grows leaves garbage. */
// oxlint-disable-next-line unicorn/no-new-array
const objects = (): unknown[] => Array.from({ length: 2000 }, (_, i) => new Array<number>(20).fill(i));

/** Some 400 kB, alive to the end of the file. */
function keep(): void {
  kept.push(objects());
}
function keepBefore(): void {
  keep();
}
function keepWithin(): void {
  keep();
}

/** As much, and nobody keeps it. */
function drop(): number {
  return objects().length;
}
function dropBefore(): number {
  return drop();
}
function dropWithin(): number {
  return drop();
}

/** At least this much of what one of these functions allocates is found. */
const MUCH = 200_000;
/** And no more than this where there should be none: V8 itself may allocate something that lives, such as optimized code. */
const LITTLE = 120_000;

const decoded = ({ body }: Pick<Answer, 'body'>): DecodedProfile => new DecodedProfile(body);

async function ended(window: ProfileWindow | undefined): Promise<DecodedProfile> {
  const captured = await window!.end();
  return new DecodedProfile(await captured.encode());
}

function typesOf({ raw }: DecodedProfile): { types: string[]; periodType: string; shownFirst: string } {
  const { strings } = raw.stringTable;
  const shown = ({ type, unit }: { type: number | bigint; unit: number | bigint }): string =>
    `${strings[Number(type)]}/${strings[Number(unit)]}`;
  return {
    types: raw.sampleType.map(shown),
    periodType: shown(raw.periodType!),
    shownFirst: strings[Number(raw.defaultSampleType)]!,
  };
}

const negatives = ({ samples }: Pick<DecodedProfile, 'samples'>): unknown[] =>
  samples.filter(({ values }) => Object.values(values).some((value) => value < 0));

const namesIn = ({ samples }: DecodedProfile): string[] => samples.flatMap(({ stack }) => stack);

function windowOf({ app }: Pick<TestApp, 'app'>, name: string): Promise<ProfileWindow | undefined> {
  return app.get(ProfilerService).lookup(name)!.openWindow();
}

const short = { writeTimeout: 2000 };
/** What is refused, and how. */
const REFUSED: [PprofModuleOptions, path: string, text: string][] = [
  ...['heap', 'allocs', 'jobs', 'conns', 'queue'].flatMap((name): [PprofModuleOptions, string, string][] => [
    [{}, `${name}?seconds=0`, BAD_SECONDS],
    [{}, `${name}?seconds=-5&debug=1`, BAD_SECONDS],
    [{}, `${name}?seconds=abc&seconds=1`, BAD_SECONDS],
    [short, `${name}?seconds=1.5`, BAD_SECONDS],
    [{ maxSeconds: 1 }, `${name}?seconds=9223372036854775808`, BAD_SECONDS],
  ]),
  ...['conns', 'queue'].flatMap((name): [PprofModuleOptions, string, string][] => [
    [{}, `${name}?seconds=1`, UNSUPPORTED],
    [{}, `${name}?seconds=9999`, UNSUPPORTED],
    [short, `${name}?seconds=9999`, UNSUPPORTED],
    [{}, `${name}?seconds=1&debug=1`, UNSUPPORTED],
  ]),
  [{ allocs: 'off' }, 'allocs?seconds=1', UNSUPPORTED],
  [{ allocs: 'off' }, 'allocs?seconds=0', BAD_SECONDS],
  [{ allocs: 'off', ...short }, 'allocs?seconds=9999&debug=1', UNSUPPORTED],
  [{ memProfileRate: 0 }, 'allocs?seconds=1', UNSUPPORTED],
  ...['heap', 'allocs', 'jobs'].flatMap((name): [PprofModuleOptions, string, string][] => [
    [short, `${name}?seconds=2`, TIMEOUT],
    [short, `${name}?seconds=9999`, TIMEOUT],
    [short, `${name}?seconds=2&debug=1`, TIMEOUT],
    [{}, `${name}?seconds=301`, TOO_LONG],
    [{}, `${name}?seconds=301&debug=1`, TOO_LONG],
    [short, `${name}?seconds=1&debug=1`, INCOMPATIBLE],
    [{}, `${name}?seconds=1&debug=-1`, INCOMPATIBLE],
    [{}, `${name}?seconds=1&debug=99999999999999999999`, INCOMPATIBLE],
    [{ maxSeconds: 5 }, `${name}?seconds=14&seconds=1`, 'seconds exceeds the maximum of 5\n'],
  ]),
];

describe.each(ADAPTERS)('windows of time are checked in the order of Go, on %s', (adapter) => {
  // One application for all that ask it: what is refused leaves nothing in it.
  describe.each([...new Set(REFUSED.map(([options]) => JSON.stringify(options)))])('with %s', (shown) => {
    const rows = REFUSED.filter(([options]) => JSON.stringify(options) === shown);
    let base: string;
    beforeAll(async () => {
      ({ base } = await startApp(adapter, withProfiles(rows[0]![0])));
    });
    afterAll(closeApps);

    it.each(rows)('%j: %s', async (_, path, text) => {
      for (const method of ['GET', 'HEAD']) {
        const answer = await request(`${base}/${path}`, { method });
        expect(answer).toMatchObject({ status: 400, text: method === 'HEAD' ? '' : text });
        expect(answer.headers).toMatchObject({
          'content-type': 'text/plain; charset=utf-8',
          'x-go-pprof': '1',
        });
        expect(answer.headers).not.toHaveProperty('content-disposition');
      }
    });
  });
});

describe.each(ADAPTERS)('windows of time on %s', (adapter) => {
  afterEach(closeApps);

  const start = (pprof?: PprofModuleOptions): Promise<TestApp> => startApp(adapter, withProfiles(pprof));

  const startWatched = async (): Promise<TestApp & { watch: Watch }> => {
    const watch = new Watch();
    return { ...(await start({ interceptors: [watch] })), watch };
  };

  describe('are checked in the order of Go', () => {
    it('an unknown profile comes before all of them', async () => {
      const { base } = await start();
      expect(await request(`${base}/nope?seconds=0`)).toMatchObject({
        status: 404,
        text: 'Unknown profile\n',
      });
    });

    it.each<[PprofModuleOptions, path: string]>([
      [{ writeTimeout: 1001 }, 'jobs?seconds=1'],
      [{ maxSeconds: 1 }, 'jobs?seconds=1&seconds=9999'],
      [{}, 'jobs?seconds=1&debug=0&gc=1&debug=1'],
      [{ allocs: 'off' }, 'heap?seconds=1'],
      [{ memProfileRate: 0 }, 'heap?seconds=1'],
      [{ allocs: 'off' }, 'allocs'],
    ])('%j: %s is answered', async (options, path) => {
      expect((await request(`${(await start(options)).base}/${path}`)).status).toBe(200);
    });

    it.each(['heap', 'allocs', 'jobs'])('HEAD of %s captures nothing', async (name) => {
      const { app, base } = await start();
      const events: CaptureEvent[] = [];
      app.get(ProfilerService).captures.subscribe((event) => events.push(event));
      const answer = await request(`${base}/${name}?seconds=30`, { method: 'HEAD' });
      expect(answer).toMatchObject({ status: 200, text: '' });
      expect(answer.headers['content-disposition']).toBe(`attachment; filename="${name}-delta"`);
      expect(events).toEqual([]);
      const { comments } = decoded(await request(`${base}/heap`));
      expect(comments.join('\n')).not.toContain('window of allocs');
    });
  });

  describe('over HTTP', () => {
    it.each([
      { name: 'heap', types: HEAP_TYPES, periodType: 'space/bytes', shownFirst: '' },
      { name: 'allocs', types: HEAP_TYPES, periodType: 'space/bytes', shownFirst: 'alloc_space' },
      { name: 'jobs', types: ['jobs/count', 'busy/nanoseconds'], periodType: 'jobs/count', shownFirst: '' },
    ])('$name: what it is called, and what it says of itself', async ({ name, ...types }) => {
      const { app, base } = await start();
      const events: CaptureEvent[] = [];
      app.get(ProfilerService).captures.subscribe((event) => events.push(event));
      const begin = Date.now();
      const answer = await request(`${base}/${name}?seconds=1`);
      const end = Date.now();
      expect(answer.status).toBe(200);
      expect(answer.headers).toMatchObject({
        'content-type': 'application/octet-stream',
        'content-disposition': `attachment; filename="${name}-delta"`,
        'x-content-type-options': 'nosniff',
        'cache-control': 'no-store, no-transform',
      });
      const profile = decoded(answer);
      expect(typesOf(profile)).toEqual(types);
      expect(profile.durationNanos).toBeGreaterThanOrEqual(0.95e9);
      expect(profile.durationNanos).toBeLessThanOrEqual((end - begin) * 1e6);
      expect(profile.timeMs).toBeGreaterThanOrEqual(begin + 990); // of the end, as in Go
      expect(profile.timeMs).toBeLessThanOrEqual(end);
      expect(profile.raw.mapping).toHaveLength(1);
      expect(events).toMatchObject([
        { profile: `${name}-delta`, peer: '127.0.0.1', bytes: answer.body.length },
      ]);
      expect(events[0]!.seconds).toBeGreaterThan(0.95);
    });

    it('heap: what was kept before is not in it, what is kept within is', async () => {
      const { base, watch } = await startWatched();
      keepBefore();
      const asked = request(`${base}/heap?seconds=1`);
      await watch.begun();
      keepWithin();
      dropWithin();
      const profile = decoded(await asked);
      expect(profile.cumulative('inuse_space', 'keepWithin')).toBeGreaterThan(MUCH);
      expect(profile.cumulative('inuse_objects', 'keepWithin')).toBeGreaterThan(1000);
      expect(profile.cumulative('alloc_space', 'keepWithin')).toBeGreaterThan(MUCH);
      expect(profile.cumulative('inuse_space', 'dropWithin')).toBeLessThan(LITTLE);
      expect(namesIn(profile)).not.toContain('keepBefore');
      const after = decoded(await request(`${base}/heap`));
      for (const name of ['keepBefore', 'keepWithin']) {
        expect(after.cumulative('inuse_space', name)).toBeGreaterThan(MUCH);
      }
    });

    it('allocs: all that is allocated within, dead or alive, and nothing else', async () => {
      const { base, watch } = await startWatched();
      keepBefore();
      dropBefore();
      const asked = request(`${base}/allocs?seconds=1`);
      await watch.begun();
      keepWithin();
      dropWithin();
      const profile = decoded(await asked);
      for (const name of ['keepWithin', 'dropWithin']) {
        expect(profile.cumulative('alloc_space', name)).toBeGreaterThan(MUCH);
        expect(profile.cumulative('alloc_objects', name)).toBeGreaterThan(1000);
      }
      expect(profile.total('inuse_space')).toBe(0);
      expect(profile.total('inuse_objects')).toBe(0);
      expect(namesIn(profile)).not.toEqual(expect.arrayContaining(['keepBefore']));
      expect(namesIn(profile)).not.toEqual(expect.arrayContaining(['dropBefore']));
    });

    it('jobs: what is added within, and what stays the same is left out', async () => {
      const { app, base, watch } = await startWatched();
      const jobs = app.get(Jobs);
      jobs.do('mail', 5);
      jobs.do('print', 7);
      const asked = request(`${base}/jobs?seconds=1`);
      await watch.begun();
      jobs.do('mail', 2);
      jobs.do('scan', 1);
      const { samples } = decoded(await asked);
      expect(samples).toEqual([
        { stack: ['mail', 'work'], values: { jobs: 2, busy: 2000 } },
        { stack: ['scan', 'work'], values: { jobs: 1, busy: 1000 } },
      ]);
    });

    it('any number at once', async () => {
      const { base } = await start();
      const names = Array.from({ length: 4 }, () => ['heap', 'allocs', 'jobs']).flat();
      const answers = await Promise.all(names.map((name) => request(`${base}/${name}?seconds=1`)));
      expect(answers.map(({ status }) => status)).toEqual(names.map(() => 200));
      expect(answers.map((answer) => typesOf(decoded(answer)).types.length)).toEqual(
        names.map((name) => (name === 'jobs' ? 2 : 4)),
      );
      expect((await request(`${base}/profile?seconds=1`)).status).toBe(200);
    });

    it('beside a capture of the CPU, which they do not keep anyone from', async () => {
      const { base } = await start();
      const both = await Promise.all(['heap', 'profile'].map((name) => request(`${base}/${name}?seconds=1`)));
      expect(both.map(({ status }) => status)).toEqual([200, 200]);
    });
  });

  describe('have what happened in them', () => {
    it('with an empty one there are still its types', async () => {
      const app = await start({ memProfileRate: 2 ** 31 - 1 });
      app.app.get(Jobs).do('mail', 1);
      for (const [name, types] of [
        ['allocs', HEAP_TYPES],
        ['jobs', ['jobs/count', 'busy/nanoseconds']],
      ] as const) {
        const profile = await ended(await windowOf(app, name));
        expect(profile.samples).toEqual([]);
        expect(typesOf(profile)).toMatchObject({
          types,
          periodType: name === 'jobs' ? 'jobs/count' : 'space/bytes',
        });
        expect(profile.raw.mapping).toHaveLength(1);
      }
    });

    it('of jobs: a value that falls is negative, as in Go', async () => {
      const app = await start();
      app.app.get(Jobs).do('mail', 5);
      const window = await windowOf(app, 'jobs');
      app.app.get(Jobs).do('mail', -2);
      const { samples, raw } = await ended(window);
      expect(samples).toEqual([{ stack: ['mail', 'work'], values: { jobs: -2, busy: -2000 } }]);
      expect(raw.sample[0]!.label).toHaveLength(1);
    });

    it('of heap: what is released is negative, as in Go', async () => {
      const app = await start();
      let held: unknown[] = [];
      const hold = (): void => {
        held = objects();
      };
      hold();
      expect(held).toHaveLength(2000);
      const window = await windowOf(app, 'heap');
      held = [];
      const profile = await ended(window);
      expect(profile.cumulative('inuse_space', 'hold')).toBeLessThan(-MUCH);
      expect(profile.cumulative('alloc_space', 'hold')).toBe(0);
    });

    it('several of allocs, that overlap in every way', async () => {
      const app = await start();
      const open = (): Promise<ProfileWindow | undefined> => windowOf(app, 'allocs');
      const outer = await open();
      dropBefore();
      const inner = await open();
      dropWithin();
      const within = await ended(inner);
      expect(within.cumulative('alloc_space', 'dropWithin')).toBeGreaterThan(MUCH);
      expect(within.cumulative('alloc_space', 'dropBefore')).toBe(0);
      keepWithin();
      const all = await ended(outer);
      for (const name of ['dropBefore', 'dropWithin', 'keepWithin']) {
        expect(all.cumulative('alloc_space', name)).toBeGreaterThan(MUCH);
      }
    });

    it('of allocs: what happens after the end is in no other one', async () => {
      const app = await start();
      const first = await windowOf(app, 'allocs');
      keepBefore();
      await ended(first);
      dropBefore();
      const second = await windowOf(app, 'allocs');
      dropWithin();
      const profile = await ended(second);
      expect(profile.cumulative('alloc_space', 'dropWithin')).toBeGreaterThan(MUCH);
      expect(profile.cumulative('alloc_space', 'keepBefore')).toBe(0);
      expect(profile.cumulative('alloc_space', 'dropBefore')).toBe(0);
    });

    it('the totals of allocs never fall, whatever windows there are', async () => {
      const app = await start();
      const totals: number[] = [];
      const read = async (): Promise<void> => {
        const profile = decoded(await request(`${app.base}/allocs`));
        totals.push(profile.total('alloc_space'));
        expect(negatives(profile)).toEqual([]);
      };
      keepBefore();
      await read();
      const window = await windowOf(app, 'allocs');
      await read();
      dropWithin();
      await read();
      await ended(window);
      await read();
      keepWithin();
      await read();
      expect(totals).toEqual([...totals].sort((a, b) => a - b));
      expect(totals.at(-1)! - totals[0]!).toBeGreaterThan(2 * MUCH);
    });
  });

  describe('of heap, across one of allocs', () => {
    /** When one of allocs is begun and ended beside that of heap. */
    type Acts = { before?: string; within?: string; after?: string };
    const begins = 'begins';
    const ends = 'ends';

    it.each<Acts>([
      { within: 'begins and ends' },
      { within: begins, after: ends },
      { before: begins, within: ends },
      { before: begins, within: 'ends, begins and ends' },
      { before: begins, after: ends },
      { within: 'begins, ends, begins and ends' },
      { within: 'begins and is given up' },
    ])('there is no negative value, and nothing of what V8 forgot: %j', async ({ before, within, after }) => {
      const app = await start();
      let allocs: ProfileWindow | undefined;
      const act = async (acts: string | undefined): Promise<void> => {
        for (const act of acts?.match(/begins|ends|given up/g) ?? []) {
          if (act === begins) allocs = await windowOf(app, 'allocs');
          else if (act === ends) await ended(allocs);
          else allocs!.close();
        }
      };
      keepBefore();
      await act(before);
      const heap = await windowOf(app, 'heap');
      await act(within);
      keepWithin();
      const profile = await ended(heap);
      await act(after);
      expect(namesIn(profile).filter((name) => name.includes('allocated before'))).toEqual([]);
      const ours = profile.samples.filter(({ stack }) => !/^\((external|ArrayBuffers)\)$/.test(stack[0]!));
      expect(negatives({ samples: ours })).toEqual([]);
      expect(profile.cumulative('alloc_space', 'keepWithin')).toBeGreaterThan(MUCH);
      const isTold = !(within === begins || (before === begins && after === ends));
      expect(profile.cumulative('inuse_space', 'keepWithin') > MUCH).toBe(isTold);
    });
  });

  describe('whose client goes away', () => {
    it.each(['heap', 'allocs', 'jobs'])('%s: it is ended and freed', async (name) => {
      const { app, base, watch } = await startWatched();
      const logged = await linesOf(async () => {
        for (let round = 0; round < 3; round++) {
          const client = new AbortController();
          const [begun, gone] = [watch.begun(), watch.ended()];
          const answer = request(`${base}/${name}?seconds=30`, { signal: client.signal });
          await begun;
          client.abort();
          await expect(answer).rejects.toThrow('aborted');
          await gone;
        }
      });
      expect(logged.errors).toEqual([]);
      dropWithin();
      keepWithin();
      const heap = decoded(await request(`${base}/heap`));
      expect(heap.comments.join('\n')).not.toContain('what is alive is not told');
      expect(heap.cumulative('inuse_space', 'keepWithin')).toBeGreaterThan(MUCH);
      expect(heap.cumulative('inuse_space', 'dropWithin')).toBeLessThan(LITTLE);
      expect(heap.cumulative('alloc_space', 'dropWithin')).toBeLessThan(LITTLE); // nothing keeps what dies
      const later = await windowOf({ app }, name);
      dropBefore();
      app.get(Jobs).do('mail', 1);
      const profile = await ended(later);
      expect(profile.cumulative('alloc_space', 'dropBefore') > MUCH).toBe(name === 'allocs');
      expect(profile.samples.length).toBeGreaterThan(0);
    });

    it('the others go on', async () => {
      const { base, watch } = await startWatched();
      const client = new AbortController();
      const [begun, gone] = [watch.begun(), watch.ended()];
      const leaving = request(`${base}/allocs?seconds=30`, { signal: client.signal });
      await begun;
      const both = watch.begun();
      const staying = request(`${base}/allocs?seconds=1`);
      await both;
      client.abort();
      await expect(leaving).rejects.toThrow('aborted');
      await gone;
      dropWithin();
      expect(decoded(await staying).cumulative('alloc_space', 'dropWithin')).toBeGreaterThan(MUCH);
    });
  });

  describe('when the application closes', () => {
    it.each(['heap', 'allocs', 'jobs'])('%s: it is canceled, on a connection that closes', async (name) => {
      const { base, close, watch } = await startWatched();
      const running = request(`${base}/${name}?seconds=30`, { headers: { connection: 'keep-alive' } });
      await watch.begun();
      const begin = performance.now();
      const logged = await linesOf(close);
      expect(performance.now() - begin).toBeLessThan(3000);
      const answer = await running;
      expect(answer).toMatchObject({ status: 500, text: CANCELED });
      expect(answer.headers).toMatchObject({ connection: 'close', 'x-go-pprof': '1' });
      expect(logged.errors).toEqual([]);
      const next = await start();
      expect((await request(`${next.base}/${name}?seconds=1`)).status).toBe(200);
    });

    it('in code too, and afterwards there is none', async () => {
      const { app, close } = await start();
      const deltas = app.get(DeltaCollector);
      const running = ['heap', 'allocs', 'jobs'].map((name) => deltas.collect(name, { seconds: 30 }));
      const results = Promise.allSettled(running);
      await close();
      for (const result of await results) {
        expect(result).toMatchObject({ status: 'rejected', reason: { message: 'context canceled' } });
      }
      await expect(deltas.collect('jobs', { seconds: 30 })).rejects.toThrow(ProfilerCanceledError);
    });
  });

  it('a window that outlives its application starts nothing anew', async () => {
    const app = await start();
    const windows = [await windowOf(app, 'allocs'), await windowOf(app, 'allocs')];
    await app.close();
    for (const window of windows) window!.close();
    expect(isSampling()).toBe(false);
  });

  const collector = async (): Promise<DeltaCollector> => (await start()).app.get(DeltaCollector);

  describe('in code', () => {
    it.each(['heap', 'allocs', 'jobs'])('%s, by its name and itself, for parts of a second', async (name) => {
      const { app } = await start();
      const deltas = app.get(DeltaCollector);
      app.get(Jobs).do('mail', 1);
      for (const profile of [name, app.get(ProfilerService).lookup(name)!]) {
        const captured = await deltas.collect(profile, { seconds: 0.05 });
        expect(captured.name).toBe(name);
        expect(captured.profile.durationNanos).toBeGreaterThanOrEqual(0.045e9);
      }
    });

    it.each(['nope', '', 'HEAP', 'profile', 'symbol', 'trace', '__proto__', null, undefined])(
      'there is no profile %j',
      async (name) => {
        const asked = (await collector()).collect(name as string, { seconds: 1 });
        await expect(asked).rejects.toThrow(ProfilerArgumentError);
        await expect(asked).rejects.toThrow(`there is no profile ${name}`);
      },
    );

    it.each([0, -1, NaN, Infinity, 2_147_484, '5', null, undefined])(
      'seconds: %j is refused',
      async (seconds) => {
        const asked = (await collector()).collect('heap', { seconds } as DeltaOptions);
        await expect(asked).rejects.toThrow(ProfilerArgumentError);
        await expect(asked).rejects.toThrow(
          `seconds is ${seconds}: it takes a number from above 0 to 2147483`,
        );
      },
    );

    it.each(['conns', 'queue'])('%s has none', async (name) => {
      const asked = (await collector()).collect(name, { seconds: 1 });
      await expect(asked).rejects.toThrow(UnsupportedWindowError);
      await expect(asked).rejects.toThrow(`the profile ${name} has no windows`);
    });

    it.each(['heap', 'allocs', 'jobs'])('%s: a signal gives it up, a deadline too', async (name) => {
      const deltas = await collector();
      const deadline = deltas.collect(name, { seconds: 30, signal: AbortSignal.timeout(30) });
      await expect(deadline).rejects.toMatchObject({
        name: 'ProfilerCanceledError',
        message: 'context deadline exceeded',
        isDeadline: true,
        cause: { name: 'TimeoutError' },
      });
      const client = new AbortController();
      const canceled = deltas.collect(name, { seconds: 30, signal: client.signal });
      await setImmediate();
      client.abort();
      await expect(canceled).rejects.toMatchObject({ message: 'context canceled', isDeadline: false });
    });

    it('a signal that is aborted already begins nothing', async () => {
      const { app } = await start();
      const asked = app.get(DeltaCollector).collect('allocs', { seconds: 1, signal: AbortSignal.abort() });
      await expect(asked).rejects.toThrow(ProfilerCanceledError);
      const { profile } = await app.get(ProfilerService).heapProfile();
      expect(profile.comments.join('\n')).not.toContain('window of allocs');
    });

    it.each([
      ['a deadline', () => AbortSignal.timeout(30), 408, 'context deadline exceeded\n'],
      ['a client that is gone', () => AbortSignal.abort(), 500, CANCELED],
    ])('over PprofHandler: %s', async (_, signal, status, body) => {
      const handler = (await start()).app.get(PprofHandler);
      for (const name of ['heap', 'allocs', 'jobs']) {
        const answer = await handler.serve(name, { query: { seconds: '30' }, signal: signal() });
        expect(answer).toMatchObject({ status, body });
        expect(answer.headers).toMatchObject({ 'x-go-pprof': '1' });
      }
    });

    it('PprofHandler serves one', async () => {
      const handler = (await start()).app.get(PprofHandler);
      const { status, headers, body } = await handler.serve('jobs', { query: 'seconds=1' });
      expect({ status, disposition: headers['content-disposition'] }).toEqual({
        status: 200,
        disposition: 'attachment; filename="jobs-delta"',
      });
      expect(new DecodedProfile(body as Buffer).durationNanos).toBeGreaterThan(0.95e9);
    });
  });
});
