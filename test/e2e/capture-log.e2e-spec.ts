import type { IncomingMessage } from 'node:http';
import { type CanActivate, Injectable, type LoggerService } from '@nestjs/common';
import { afterEach, describe, expect, it } from '@jest/globals';
import { NOT_LOCAL } from '../../src/http/access.guard.js';
import {
  type CaptureEvent,
  PprofHandler,
  PprofModule,
  type PprofModuleOptions,
  ProfilerBusyError,
  ProfilerService,
} from '../../src/index.js';
import {
  ADAPTERS,
  type AdapterName,
  type AppSetup,
  closeApps,
  shortCpuCaptures,
  startApp,
  type TestApp,
  windowOf,
} from '../support/app.js';
import { KeyGuard } from '../support/application-parts.js';
import { request, type RequestOptions } from '../support/http.js';

const OPEN = { canActivate: () => true };

/** A guard of the application's. */
const strangersAreRefused: CanActivate = {
  canActivate: (context) => !('x-stranger' in context.switchToHttp().getRequest<IncomingMessage>().headers),
};

interface Observed extends TestApp {
  readonly profiler: ProfilerService;
  readonly events: CaptureEvent[];
  /** Lines of the log about captures. */
  readonly lines: string[];
}

afterEach(closeApps);

const CAPTURE_NOTHING: readonly (readonly [request: string, status: number])[] = [
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
  ['GET /symbol?0x1', 200],
  ['POST /symbol', 200],
  ['HEAD /trace', 200],
  ['GET /trace?seconds=301', 400],
  ['GET /trace?format=nonsense', 400],
];

describe.each(ADAPTERS)('the capture log on %s', (adapter) => {
  it.each([
    ['/profile?seconds=1', 'profile'],
    ['/heap', 'heap'],
    ['/heap?gc=1', 'heap'],
    ['/heap?format=heapprofile', 'heap'],
    ['/heap?debug=1', 'heap'],
    ['/allocs?debug=1', 'allocs'],
  ])('has one line and one event for %s', async (path, profile) => {
    const observed = await startObserved(adapter);
    const { base, events, lines } = observed;
    shortCpuCaptures(observed);
    const { status, body } = await request({ base, path });
    expect(status).toBe(200);
    expect(events).toEqual([eventOf(profile, '127.0.0.1', body.length)]);
    expect(lines).toEqual([lineOf(events[0]!)]);
  });

  it("names the socket's address, whatever a header says", async () => {
    const { base, events } = await startObserved(adapter, { guards: [OPEN] });
    const headers = { 'x-forwarded-for': '203.0.113.7', forwarded: 'for=203.0.113.8' };
    await request(`${base}/heap`, { headers });
    expect(events.map(({ peer }) => peer)).toEqual(['127.0.0.1']);
  });

  it('has a capture whose client went away, when it has ended', async () => {
    const { base, events, lines, profiler, sampling } = await startObserved(adapter);
    const client = new AbortController();
    const begun = sampling.begun();
    const logged = new Promise((resolve) => profiler.captures.subscribe(resolve));
    const answer = request(`${base}/profile?seconds=30`, { signal: client.signal });
    await begun;
    client.abort();
    await expect(answer).rejects.toThrow('aborted');
    await logged;
    expect(events).toEqual([{ ...eventOf('profile', '127.0.0.1', 0), received: false }]);
    expect(lines).toEqual([canceled('profile', 'the connection was closed')]);
  });

  it('has a window that is canceled since the application shuts down', async () => {
    const { base, events, lines, profiler, close } = await startObserved(adapter);
    const begun = windowOf(profiler.lookup('heap')!);
    const answer = request(`${base}/heap?seconds=30`);
    await begun;
    await close();
    expect(await answer).toMatchObject({ status: 500, text: 'context canceled\n' });
    expect(events).toEqual([{ ...eventOf('heap-delta', '127.0.0.1', 0), received: false }]);
    expect(lines).toEqual([canceled('heap-delta', 'the application is shutting down')]);
  });

  it('has nothing about requests that capture nothing', async () => {
    const { base, events, lines } = await startObserved(adapter);
    for (const [what, status] of CAPTURE_NOTHING) {
      const [method, path] = what.split(' ') as [string, string];
      const reply = await request({ base, path }, { method });
      expect([what, reply.status, events, lines]).toEqual([what, status, [], []]);
    }
  });

  it('has nothing about requests that an option switches off', async () => {
    const { base, events, lines } = await startObserved(adapter, { guards: [OPEN], enabled: false });
    expect((await request(`${base}/heap`)).status).toBe(404);
    expect([events, lines]).toEqual([[], []]);
  });

  it.each<[string, PprofModuleOptions, RequestOptions, string]>([
    ['a guard', { guards: [new KeyGuard('sesame')] }, {}, '401 (Unauthorized)'],
    ['the default access rules', {}, { headers: { via: '1.1 proxy' } }, `403 (${NOT_LOCAL})`],
    ['a global guard', {}, { headers: { 'x-stranger': '1' } }, '403 (Forbidden resource)'],
  ])('has one line a minute about requests that %s refuses, and no event', async (_, pprof, options, why) => {
    const { base, events, lines } = await startObserved(adapter, pprof, [], (app) =>
      app.useGlobalGuards(strangersAreRefused),
    );
    for (const path of ['/heap?token=hunter2', '/profile', '/nope'])
      expect((await request(base + path, options)).status).toBe(Number.parseInt(why));
    expect([events, lines]).toEqual([[], [`GET /debug/pprof/heap for 127.0.0.1: refused with ${why}`]]);
  });

  it('has nothing about requests that come while another capture runs', async () => {
    const { base, events, lines, profiler } = await startObserved(adapter);
    profiler.startCpuProfile();
    expect((await request(`${base}/profile?seconds=1`)).status).toBe(500);
    await expect(profiler.cpuProfile({ seconds: 1 })).rejects.toThrow(ProfilerBusyError);
    expect(() => profiler.startCpuProfile()).toThrow(ProfilerBusyError);
    expect([events, lines]).toEqual([[], []]);
    await profiler.stopCpuProfile();
    expect(events).toHaveLength(1);
  });
});

describe('the capture log of captures in code', () => {
  it.each<[string, string, (profiler: ProfilerService) => Promise<unknown>]>([
    ['cpuProfile', 'profile', (profiler) => profiler.cpuProfile({ seconds: 0.001 })],
    [
      'startCpuProfile and stopCpuProfile',
      'profile',
      (profiler) => {
        profiler.startCpuProfile();
        return profiler.stopCpuProfile();
      },
    ],
    ['heapProfile', 'heap', (profiler) => profiler.heapProfile()],
  ])('has one line and one event for %s', async (_, profile, capture) => {
    const { events, lines, profiler } = await startObserved('express');
    await capture(profiler);
    expect(events).toEqual([eventOf(profile, 'code', undefined)]);
    expect(lines).toEqual([lineOf(events[0]!)]);
  });

  it('names the peer that PprofHandler was given', async () => {
    const { app, events } = await startObserved('express');
    const handler = app.get(PprofHandler);
    const { body } = await handler.serve('heap');
    await handler.serve('heap', { peer: 'the night watch' });
    await handler.serve('heap', { method: 'HEAD' });
    await handler.serve('nope');
    expect(events.map(({ peer }) => peer)).toEqual(['code', 'the night watch']);
    expect(events[0]!.bytes).toBe(body.length);
  });

  it('of a module has only its own captures', async () => {
    @Injectable()
    class Other {
      constructor(readonly profiler: ProfilerService) {}
    }
    class OtherModule {}
    const imports = [PprofModule.forRoot({ path: 'other/pprof' })];
    const { events, profiler, app } = await startObserved('express', {}, [
      { module: OtherModule, imports, providers: [Other] },
    ]);
    const other: CaptureEvent[] = [];
    app.get(Other, { strict: false }).profiler.captures.subscribe((event) => other.push(event));
    await app.get(Other, { strict: false }).profiler.heapProfile();
    expect([events.length, other.length]).toEqual([0, 1]);
    await profiler.heapProfile();
    expect([events.length, other.length]).toEqual([1, 1]);
  });
});

async function startObserved(
  adapter: AdapterName,
  pprof: PprofModuleOptions = {},
  imports: AppSetup['imports'] = [],
  configure?: AppSetup['configure'],
): Promise<Observed> {
  const lines: string[] = [];
  const app = await startApp(adapter, { pprof, imports, configure, options: { logger: logTo(lines) } });
  const profiler = app.app.get(ProfilerService);
  const events: CaptureEvent[] = [];
  profiler.captures.subscribe((event) => events.push(event));
  lines.length = 0; // of the boot
  return { ...app, profiler, events, lines };
}

function logTo(lines: string[]): LoggerService {
  const log = (message: unknown, context?: unknown): void => {
    if (context === 'PprofModule') lines.push(String(message));
  };
  return { log, warn: log, error: log };
}

const eventOf = (profile: string, peer: string, bytes: unknown): object => ({
  profile,
  peer,
  bytes,
  seconds: expect.any(Number),
  longestHoldMs: expect.any(Number),
  received: true,
});

/** The line of a capture that was not canceled. */
function lineOf({ profile, peer, seconds, bytes, longestHoldMs }: CaptureEvent): string {
  const size = bytes === undefined ? '' : ` ${bytes} bytes,`;
  return `${profile} for ${peer}: ${seconds.toFixed(3)} s,${size} held the event loop for ${longestHoldMs.toFixed(1)} ms at most`;
}

const canceled = (profile: string, why: string): unknown =>
  expect.stringMatching(
    new RegExp(`^${profile} for 127\\.0\\.0\\.1: canceled after \\d+\\.\\d s \\(${why}\\)$`),
  );
