import { EventEmitter, once } from 'node:events';
import { hostname } from 'node:os';
import { PerformanceObserver } from 'node:perf_hooks';
import { setImmediate } from 'node:timers/promises';
import { Injectable, type LoggerService, type NestInterceptor } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  type CaptureEvent,
  PprofHandler,
  PprofModule,
  type PprofModuleOptions,
  ProfilerBusyError,
  ProfilerService,
} from '../../src/index.js';
import { ADAPTERS, type AdapterName, closeApps, INSPECTOR, startApp, type TestApp } from '../support/app.js';
import { describeGo, goPprof, profileFile } from '../support/go.js';
import { request } from '../support/http.js';
import { startWorkload, TestProcess, type Workload } from '../support/process.js';

const OPEN = { canActivate: () => true };
const CLOSED = { canActivate: () => false };

afterEach(closeApps);

describe.each(['pprof', 'inspector'])('the comments of profiles by %s', (sampler) => {
  const GIVEN = ['service cats', 'commit 1a2b3c', 'höchst privat', ''];
  let app: Workload;
  beforeAll(async () => {
    app = await startWorkload('heap.mjs', {
      env: { SAMPLER: sampler, PROFILE_COMMENTS: JSON.stringify(GIVEN), MEM_RATE: '65536' },
    });
  });
  afterAll(() => TestProcess.stopAll());

  const pidOf = async (): Promise<string> => {
    const [, pid] = await app.process.printed(/\[Nest\] (\d+) /);
    return pid!;
  };

  it.each([
    ['profile?seconds=1&hz=200', `CPU samples of the main thread by ${sampler} at 200 Hz`],
    ['heap', `heap sampled by ${sampler}, every 65536 bytes; alloc_* counts only what is still alive`],
  ])('of /%s name the sampler, its rate, Node, V8, the host and the process', async (path, about) => {
    const { comments } = await app.profile(path);
    expect(comments).toEqual(
      expect.arrayContaining([
        about,
        `node ${process.version}, V8 ${process.versions.v8}, ${process.platform} ${process.arch}`,
        `host ${hostname()}, pid ${await pidOf()}`,
      ]),
    );
    expect(comments.slice(0, GIVEN.length)).toEqual(GIVEN);
  });

  describeGo(`go tool pprof -comments, by ${sampler}`, () => {
    it.each(['profile?seconds=1', 'heap'])('prints those of /%s', async (path) => {
      const { bytes, profile } = await app.download(path);
      const file = profileFile(`comments-${sampler}-${path.slice(0, 4)}.pb.gz`, bytes);
      const lines = (await goPprof('-comments', file)).split('\n');
      expect(profile.comments.length).toBeGreaterThan(5);
      expect(lines).toEqual(expect.arrayContaining([...profile.comments]));
    });
  });
});

describe('the options of what a profile shows', () => {
  const BAD: [name: string, value: unknown, shown: string, takes: string][] = [
    ['profileComments', 'commit 1a2b3c', "'commit 1a2b3c'", 'a list of strings'],
    ['profileComments', [1], '[ 1 ]', 'a list of strings'],
    ['profileComments', ['a', undefined], "[ 'a', undefined ]", 'a list of strings'],
    ['profileComments', null, 'null', 'a list of strings'],
    ['profileComments', { commit: '1a2b3c' }, "{ commit: '1a2b3c' }", 'a list of strings'],
    ['sourceMaps', 'false', "'false'", 'true or false'],
    ['sourceMaps', 0, '0', 'true or false'],
    ['sourceMaps', null, 'null', 'true or false'],
    ['sourceMaps', {}, '{}', 'true or false'],
  ];

  it.each(BAD)('%s: %j fails the boot with a sentence', async (name, value, shown, takes) => {
    const options: PprofModuleOptions = { ...INSPECTOR, [name]: value };
    const sentence = `PprofModule: the option "${name}" is ${shown}; it takes ${takes}`;
    await expect(startApp('express', { pprof: options })).rejects.toThrow(sentence);
    const imports = [PprofModule.forRootAsync({ useFactory: () => options })];
    await expect(startApp('express', { pprof: false, imports })).rejects.toThrow(sentence);
  });

  it.each(['profileComments', 'sourceMaps'])('%s is for the factory of forRootAsync', (name) => {
    const options = { [name]: undefined, useFactory: () => INSPECTOR };
    expect(() => PprofModule.forRootAsync(options)).toThrow(
      `PprofModule: the option "${name}" of forRootAsync is for the factory to return`,
    );
  });

  it.each([[{ profileComments: [] }], [{ sourceMaps: false }], [{ sourceMaps: true }]])(
    '%j is fine',
    async (options) => {
      const { base } = await startApp('express', { pprof: { ...INSPECTOR, ...options } });
      expect((await request(`${base}/heap`)).status).toBe(200);
    },
  );
});

describe.each(ADAPTERS)('operators are told of captures, on %s', (adapter) => {
  it.each([
    ['/profile?seconds=1', 'profile', 1],
    ['/profile?seconds=1&format=cpuprofile', 'profile', 1],
    ['/heap', 'heap', 0],
    ['/heap?gc=1', 'heap', 0],
    ['/heap?format=heapprofile', 'heap', 0],
  ])('by a line and an event for %s', async (path, profile, seconds) => {
    const { base, events, lines } = await startTold(adapter);
    const { status, body } = await request({ base, path });
    expect(status).toBe(200);
    expect(events).toEqual([
      {
        profile,
        peer: '127.0.0.1',
        seconds: expect.any(Number),
        bytes: body.length,
        longestHoldMs: expect.any(Number),
      },
    ]);
    expect(events[0]!.seconds).toBeGreaterThan(seconds * 0.98);
    expectHold(events[0]!);
    expect(lines).toEqual([lineOf(events[0]!)]);
  });

  it('by the address of the socket, whatever a header says', async () => {
    const { base, events } = await startTold(adapter, { guards: [OPEN] });
    await request(`${base}/heap`, {
      headers: { 'x-forwarded-for': '203.0.113.7', forwarded: 'for=203.0.113.8' },
    });
    expect(events.map(({ peer }) => peer)).toEqual(['127.0.0.1']);
  });

  it('of one whose client goes away, when it has ended', async () => {
    const captures = new EventEmitter();
    const watch: NestInterceptor = {
      intercept(_, next) {
        captures.emit('begin');
        return next.handle();
      },
    };
    const { base, events, lines, told } = await startTold(adapter, { interceptors: [watch] });
    const client = new AbortController();
    const [begun, ended] = [once(captures, 'begin'), told()];
    const answer = request(`${base}/profile?seconds=30`, { signal: client.signal });
    await begun;
    client.abort();
    await expect(answer).rejects.toThrow('aborted');
    await ended;
    expect(events).toEqual([expect.objectContaining({ profile: 'profile', peer: '127.0.0.1' })]);
    expect(events[0]!.seconds).toBeLessThan(25);
    expect(lines).toEqual([lineOf(events[0]!)]);
  });

  it.each([
    ['HEAD /profile', 200],
    ['HEAD /heap', 200],
    ['GET /', 200],
    ['GET /cmdline', 200],
    ['GET /profile?seconds=301', 400],
    ['GET /profile?hz=0', 400],
    ['GET /profile?sampler=datadog', 400],
    ['GET /profile?format=nonsense', 400],
    ['GET /heap?seconds=0', 400],
    ['GET /heap?format=nonsense', 400],
    ['GET /nope', 404],
    ['POST /heap', 405],
    ['GET /heap?debug=1', 501],
  ])('not of %s, which captures nothing', async (what, status) => {
    const { base, events, lines } = await startTold(adapter);
    const [method, path] = what.split(' ') as [string, string];
    expect((await request({ base, path }, { method })).status).toBe(status);
    expect([events, lines]).toEqual([[], []]);
  });

  it('not of those that a guard refuses, or that are switched off', async () => {
    const refused = await startTold(adapter, { guards: [CLOSED] });
    expect((await request(`${refused.base}/heap`)).status).toBe(403);
    const off = await startTold(adapter, { guards: [OPEN], enabled: false });
    expect((await request(`${off.base}/heap`)).status).toBe(404);
    expect([refused.events, refused.lines, off.events, off.lines]).toEqual([[], [], [], []]);
  });

  it('not of those that come while another one runs, in code or over HTTP', async () => {
    const { base, events, lines, profiler } = await startTold(adapter);
    profiler.startCpuProfile();
    expect((await request(`${base}/profile?seconds=1`)).status).toBe(500);
    await expect(profiler.cpuProfile({ seconds: 1 })).rejects.toThrow(ProfilerBusyError);
    expect(() => profiler.startCpuProfile()).toThrow(ProfilerBusyError);
    expect([events, lines]).toEqual([[], []]);
    await profiler.stopCpuProfile();
    expect(events).toHaveLength(1);
  });
});

describe('operators are told of captures in code', () => {
  it.each<[string, string, (profiler: ProfilerService) => Promise<unknown>]>([
    ['cpuProfile', 'profile', (profiler) => profiler.cpuProfile({ seconds: 0.05 })],
    [
      'startCpuProfile and stopCpuProfile',
      'profile',
      (profiler) => {
        profiler.startCpuProfile();
        return profiler.stopCpuProfile();
      },
    ],
    ['heapProfile', 'heap', (profiler) => profiler.heapProfile()],
  ])('by a line and an event for %s', async (_, profile, capture) => {
    const { events, lines, profiler } = await startTold('express');
    await capture(profiler);
    expect(events).toEqual([
      {
        profile,
        peer: 'code',
        seconds: expect.any(Number),
        bytes: undefined,
        longestHoldMs: expect.any(Number),
      },
    ]);
    expectHold(events[0]!);
    expect(lines).toEqual([lineOf(events[0]!)]);
  });

  it('by the peer that PprofHandler is told', async () => {
    const { app, events } = await startTold('express');
    const handler = app.get(PprofHandler);
    const { body } = await handler.serve('heap');
    await handler.serve('heap', { peer: 'the night watch' });
    await handler.serve('heap', { method: 'HEAD' });
    await handler.serve('nope');
    expect(events.map(({ peer }) => peer)).toEqual(['code', 'the night watch']);
    expect(events[0]!.bytes).toBe(body.length);
  });

  it('with the time that a collection of the garbage holds the event loop', async () => {
    const { events, profiler } = await startTold('express', { memProfileRate: 0 }); // no other work for V8
    const kept = Array.from({ length: 1_000_000 }, (_, i) => ({ i }));
    const collections: number[] = [];
    const observer = new PerformanceObserver((list) => {
      collections.push(...list.getEntries().map(({ duration }) => duration));
    });
    observer.observe({ entryTypes: ['gc'] });
    await profiler.heapProfile({ gc: true });
    while (collections.length === 0) await setImmediate();
    observer.disconnect();
    expect(kept).toHaveLength(1_000_000); // until here
    expect(events[0]!.longestHoldMs).toBeGreaterThanOrEqual(0.9 * Math.max(...collections));
  });

  it('each module of its own', async () => {
    @Injectable()
    class Other {
      constructor(readonly profiler: ProfilerService) {}
    }
    class OtherModule {}
    const { events, profiler, app } = await startTold('express', {}, [
      {
        module: OtherModule,
        imports: [PprofModule.forRoot({ ...INSPECTOR, path: 'other/pprof' })],
        providers: [Other],
      },
    ]);
    const other: CaptureEvent[] = [];
    app.get(Other, { strict: false }).profiler.captures.subscribe((event) => other.push(event));
    await app.get(Other, { strict: false }).profiler.heapProfile();
    expect([events.length, other.length]).toEqual([0, 1]);
    await profiler.heapProfile();
    expect([events.length, other.length]).toEqual([1, 1]);
  });
});

describe('a hundred captures by both samplers of the CPU', () => {
  afterEach(() => TestProcess.stopAll());

  it('leave no file, thread, session or handle behind, though half of them were given up', async () => {
    const checked = ['pprof', 'inspector'].map(async (sampler) => {
      const app = await startWorkload('left-behind.mjs', { env: { SAMPLER: sampler } });
      const { before, after } = await app.post<Record<'before' | 'after', object>>('captures');
      expect({ sampler, ...after }).toEqual({ sampler, ...before });
      expect(after).toMatchObject({ sessions: 1 }); // that of the heap
      for (const path of ['profile?seconds=1&sampler=pprof', 'profile?seconds=1&sampler=inspector', 'heap']) {
        expect((await app.profile(path)).samples.length).toBeGreaterThan(0);
      }
      expect(app.process.output).not.toMatch(/ERROR|Warning/);
    });
    await Promise.all(checked);
  });
});

interface Told extends TestApp {
  readonly profiler: ProfilerService;
  readonly events: CaptureEvent[];
  /** Of the log, those of captures. */
  readonly lines: string[];
  /** Resolves at the next event. */
  told(): Promise<void>;
}

async function startTold(
  adapter: AdapterName,
  pprof: PprofModuleOptions = {},
  imports: NonNullable<Parameters<typeof startApp>[1]>['imports'] = [],
): Promise<Told> {
  const lines: string[] = [];
  const app = await startApp(adapter, { pprof, imports, options: { logger: logTo(lines) } });
  const profiler = app.app.get(ProfilerService);
  const events: CaptureEvent[] = [];
  profiler.captures.subscribe((event) => events.push(event));
  const told = (): Promise<void> =>
    new Promise((resolve) => {
      const subscription = profiler.captures.subscribe(() => {
        subscription.unsubscribe();
        resolve();
      });
    });
  return { ...app, profiler, events, lines, told };
}

function logTo(lines: string[]): LoggerService {
  const log = (message: unknown, context?: unknown): void => {
    if (context === 'PprofModule') lines.push(String(message));
  };
  return { log, warn: log, error: log };
}

const LINE =
  /^(profile|heap) for (\S+): (\d+\.\d{3}) s,(?: (\d+) bytes,)? held the event loop for (\d+\.\d) ms at most$/;

/** What the log is to say of an event. */
function lineOf({ profile, peer, seconds, bytes, longestHoldMs }: CaptureEvent): string {
  const size = bytes === undefined ? '' : ` ${bytes} bytes,`;
  const line = `${profile} for ${peer}: ${seconds.toFixed(3)} s,${size} held the event loop for ${longestHoldMs.toFixed(1)} ms at most`;
  expect(line).toMatch(LINE);
  return line;
}

/** A part of the time that it took. */
function expectHold({ seconds, longestHoldMs }: CaptureEvent): void {
  expect(longestHoldMs).toBeGreaterThan(0);
  expect(longestHoldMs).toBeLessThanOrEqual(seconds * 1000);
}
