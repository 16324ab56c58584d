import { EventEmitter, once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { gunzipSync } from 'node:zlib';
import {
  type CallHandler,
  type CanActivate,
  type NestInterceptor,
  UnauthorizedException,
} from '@nestjs/common';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Profile } from 'pprof-format';
import { finalize, type Observable } from 'rxjs';
import { PprofHandler, type PprofModuleOptions, ProfilerBusyError, ProfilerService } from '../../src/index.js';
import { type AdapterName, ADAPTERS, closeApps, startApp, type TestApp } from '../support/app.js';
import { checkRow, CONTRACT } from '../support/contract.js';
import { type Answer, request } from '../support/http.js';

// From Node 22 on V8's profilers do not know code compiled by on-stack replacement before they start (docs/profiles.md).
setFlagsFromString('--no-use-osr');

const BUSY = 'Could not enable CPU profiling: cpu profiling already in use\n';
const TIMEOUT = "profile duration exceeds server's WriteTimeout\n";
const UNKNOWN = 'Unknown profile\n';

/** Shorter than any capture that a test lets run out. */
const AT_ONCE_MS = 900;

const openIndex = (base: string, headers?: Record<string, string>): Promise<Answer> =>
  request({ base, path: '/' }, { headers });

async function get(
  adapter: AdapterName,
  options: PprofModuleOptions,
  path: string,
  method = 'GET',
): Promise<Answer> {
  const { base } = await startApp(adapter, { pprof: options });
  return request({ base, path }, { method });
}

describe.each(ADAPTERS)('the HTTP contract on %s', (adapter) => {
  describe.each([
    { where: 'at the default path', path: undefined, prefix: '' },
    { where: 'at a path of its own, under a global prefix', path: 'ops/.profiles', prefix: 'api' },
  ])('$where', ({ path, prefix }) => {
    let base: string;

    beforeAll(async () => {
      const { url } = await startApp(adapter, {
        pprof: { path },
        configure: (app) => prefix && app.setGlobalPrefix(prefix),
      });
      base = [url, prefix, path ?? 'debug/pprof'].filter(Boolean).join('/');
    });
    afterAll(closeApps);

    it.each(CONTRACT)('$title', (row) => expect(checkRow(base, row)).resolves.toBeUndefined());
  });

  describe('what options decide', () => {
    afterEach(closeApps);

    it.each([
      { path: '/profile?seconds=2', writeTimeout: 2000, status: 400, text: TIMEOUT },
      { path: '/profile?seconds=3', writeTimeout: 2000, status: 400, text: TIMEOUT },
      { path: '/profile', writeTimeout: 30_000, status: 400, text: TIMEOUT },
      { path: '/profile?seconds=abc', writeTimeout: 30_000, status: 400, text: TIMEOUT },
      { path: '/profile?seconds=-1', writeTimeout: 30_000, status: 400, text: TIMEOUT },
      { path: '/profile?seconds=99999999999999999999', writeTimeout: 30_000, status: 400, text: TIMEOUT },
      { path: '/profile?seconds=9999&hz=0', writeTimeout: 2000, status: 400, text: TIMEOUT },
      { path: '/heap?seconds=2', writeTimeout: 2000, status: 400, text: TIMEOUT },
      { path: '/heap?seconds=2&debug=1', writeTimeout: 2000, status: 400, text: TIMEOUT },
      {
        path: '/heap?seconds=0',
        writeTimeout: 2000,
        status: 400,
        text: 'invalid value for "seconds" - must be a positive integer\n',
      },
      { path: '/heap', writeTimeout: 1, status: 200 },
      { path: '/cmdline?seconds=9', writeTimeout: 1, status: 200 },
    ])('writeTimeout $writeTimeout: $path is $status', async ({ path, writeTimeout, status, text }) => {
      expect(await get(adapter, { writeTimeout }, path)).toMatchObject({ status, ...(text && { text }) });
    });

    it.each(['/profile?seconds=1', '/profile?seconds=1&hz=1000'])(
      'a capture shorter than writeTimeout is taken: %s',
      async (path) => expect((await get(adapter, { writeTimeout: 1001 }, path)).status).toBe(200),
    );

    it.each([
      { path: '/profile?seconds=6', status: 400, text: 'seconds exceeds the maximum of 5\n' },
      { path: '/heap?seconds=6', status: 400, text: 'seconds exceeds the maximum of 5\n' },
      { path: '/heap?seconds=6&debug=1', status: 400, text: 'seconds exceeds the maximum of 5\n' },
      { path: '/profile?seconds=5', method: 'HEAD', status: 200, text: '' },
      { path: '/profile', method: 'HEAD', status: 200, text: '' },
    ])('maxSeconds 5: $path is $status', async ({ path, method, status, text }) => {
      expect(await get(adapter, { maxSeconds: 5 }, path, method)).toMatchObject({ status, text });
    });

    it('maxSeconds lowers the default of 30 seconds to itself', async () => {
      const { ms, result } = await timed(() => get(adapter, { maxSeconds: 1 }, '/profile'));
      expect(ms).toBeGreaterThanOrEqual(990);
      expect(ms).toBeLessThan(5000);
      expect(Number(decode(result).durationNanos)).toBeGreaterThan(0.9e9);
    });

    it('writeTimeout is compared with the lowered default', async () => {
      expect((await get(adapter, { maxSeconds: 1, writeTimeout: 1000 }, '/profile')).text).toBe(TIMEOUT);
    });

    it.each<[string, PprofModuleOptions, string]>([
      ['cmdline: false', { cmdline: false }, 'cmdline'],
      ['endpoints: { cmdline: false }', { endpoints: { cmdline: false } }, 'cmdline'],
      ['endpoints: { heap: false }', { endpoints: { heap: false } }, 'heap'],
      ['endpoints: { profile: false }', { endpoints: { profile: false } }, 'profile'],
    ])('%s is a 404, and no row of the index', async (_, options, name) => {
      const { base } = await startApp(adapter, { pprof: options });
      for (const path of [`/${name}`, `/${name}?seconds=abc`]) {
        expect(await request({ base, path })).toMatchObject({ status: 404, text: UNKNOWN });
      }
      expect(rowsOf((await request({ base, path: '/' })).text)).not.toContain(name);
    });

    it.each(['/', '/heap', '/heap?seconds=abc', '/profile', '/cmdline', '/allocs', '/trace', '/nope'])(
      'enabled: false answers %s with 404',
      async (path) =>
        expect(await get(adapter, { enabled: false }, path)).toMatchObject({ status: 404, text: UNKNOWN }),
    );

    it.each(['', '/', '/heap', '/profile', '/allocs', '/nope', '/%zz'])(
      'enabled: false still asks the guards first: %s',
      async (path) => {
        const answer = await get(adapter, { enabled: false, guards: [new Closed()] }, path);
        expect(answer).toMatchObject({ status: 401, text: 'Unauthorized\n' });
      },
    );
  });

  describe('cmdline', () => {
    const { argv } = process;
    beforeAll(() => {
      process.argv = [
        ...argv,
        '--password=hunter2',
        '--token',
        'tkn',
        'redis://me:pw@host/0',
        'id-4711',
        'last',
      ];
    });
    afterAll(() => {
      process.argv = argv;
    });
    afterEach(closeApps);

    it('shows executable, its options and the arguments, without secrets', async () => {
      const { base } = await startApp(adapter, { pprof: { cmdline: { redact: [/(?<=^id-)\d+$/] } } });
      const shown = (await request(`${base}/cmdline`)).text.split('\0');
      expect(shown.slice(0, -6)).toEqual([process.execPath, ...process.execArgv, ...argv.slice(1)]);
      expect(shown.slice(-6)).toEqual([
        '--password=REDACTED',
        '--token',
        'REDACTED',
        'redis://REDACTED@host/0',
        'id-REDACTED',
        'last',
      ]);
    });
  });

  describe('one CPU capture at a time', () => {
    afterEach(closeApps);

    it('a second one over HTTP gets 500', async () => {
      const { base, watch } = await startWatched();
      const first = request(`${base}/profile?seconds=1`);
      await watch.begun();
      const second = await request(`${base}/profile?seconds=1`);
      expect(second).toMatchObject({ status: 500, text: BUSY });
      expect(second.headers).toMatchObject({
        'content-type': 'text/plain; charset=utf-8',
        'x-go-pprof': '1',
      });
      expect(second.headers).not.toHaveProperty('content-disposition');
      expect((await first).status).toBe(200);
    });

    it('one over HTTP while one in code runs gets 500, and the next one works', async () => {
      const { app, base } = await startApp(adapter);
      const profiler = app.get(ProfilerService);
      profiler.startCpuProfile();
      expect(await request(`${base}/profile?seconds=1`)).toMatchObject({ status: 500, text: BUSY });
      expect((await request(`${base}/heap`)).status).toBe(200);
      await profiler.stopCpuProfile();
      expect((await request(`${base}/profile?seconds=1`)).status).toBe(200);
    });

    it('one in code while one over HTTP runs is refused', async () => {
      const { app, base, watch } = await startWatched();
      const profiler = app.get(ProfilerService);
      const running = request(`${base}/profile?seconds=1`);
      await watch.begun();
      expect(() => profiler.startCpuProfile()).toThrow(new ProfilerBusyError());
      await expect(profiler.cpuProfile({ seconds: 1 })).rejects.toThrow('cpu profiling already in use');
      expect((await running).status).toBe(200);
      profiler.startCpuProfile();
      await profiler.stopCpuProfile();
    });

    it('HEAD takes no turn', async () => {
      const { app, base } = await startApp(adapter);
      const profiler = app.get(ProfilerService);
      profiler.startCpuProfile();
      expect((await request(`${base}/profile`, { method: 'HEAD' })).status).toBe(200);
      await profiler.stopCpuProfile();
    });
  });

  describe('a capture always ends', () => {
    afterEach(closeApps);

    it('at once when the client goes away, and the next one works', async () => {
      const { base, watch } = await startWatched();
      const { ms } = await timed(() => abort(base, watch));
      expect(ms).toBeLessThan(AT_ONCE_MS);
      expect((await request(`${base}/profile?seconds=1`)).status).toBe(200);
    });

    it('when the application closes: the client gets what there is', async () => {
      const { base, close, watch } = await startWatched();
      const running = request(`${base}/profile?seconds=30`);
      await watch.begun();
      const { ms } = await timed(close);
      expect(ms).toBeLessThan(2000);
      const answer = await running;
      expect(answer.status).toBe(200);
      expect(answer.headers.connection).toBe('close');
      const profile = decode(answer);
      expect(profile.sampleType).toHaveLength(2);
      expect(Number(profile.durationNanos)).toBeLessThan(2e9);
    });

    it('when the application closes: in code too', async () => {
      const { app, close } = await startApp(adapter);
      const profiler = app.get(ProfilerService);
      const running = profiler.cpuProfile({ seconds: 30 });
      await close();
      expect((await running).profile.durationNanos).toBeLessThan(2e9);

      const next = await startApp(adapter);
      const other = next.app.get(ProfilerService);
      other.startCpuProfile();
      await next.close();
      expect(
        (await (await startApp(adapter)).app.get(ProfilerService).cpuProfile({ seconds: 0.01 })).profile,
      ).toBeDefined();
    });

    it('a hundred captures, half of them given up, leave nothing behind', async () => {
      const { app, base, watch } = await startWatched();
      const profiler = app.get(ProfilerService);
      await request(`${base}/heap`);
      await until(() => !resources().includes('TCPSocketWrap'));
      const before = resources();
      for (let round = 0; round < 25; round++) {
        await abort(base, watch);
        await abort(base, watch);
        await request(`${base}/heap`);
        await profiler.cpuProfile({ seconds: 0.005 });
      }
      await until(() => resources().join() === before.join()); // Node's own timers come and go
      expect(resources()).toEqual(before);
      expect((await request(`${base}/profile?seconds=1`)).status).toBe(200);
    });
  });

  describe('what a profile holds', () => {
    let app: TestApp;
    let kept: unknown[];
    beforeAll(async () => {
      app = await startApp(adapter, { pprof: { memProfileRate: 1024 } });
      kept = Array.from({ length: 20_000 }, (_, i) => ({ i, text: `kept ${i}` }));
    });
    afterAll(async () => {
      kept.length = 0; // alive until here
      await closeApps();
    });

    const capture = async (path: string): Promise<{ profile: Profile; begin: number; end: number }> => {
      const begin = Date.now();
      const work = setInterval(() => busyFor(20), 25);
      try {
        const profile = decode(await request({ base: app.base, path }));
        return { profile, begin, end: Date.now() };
      } finally {
        clearInterval(work);
      }
    };

    describe.each([
      {
        path: '/profile?seconds=1',
        types: ['samples/count', 'cpu/nanoseconds'],
        periodType: 'cpu/nanoseconds',
        period: 1e7,
        seconds: 1,
      },
      {
        path: '/profile?seconds=1&hz=500',
        types: ['samples/count', 'cpu/nanoseconds'],
        periodType: 'cpu/nanoseconds',
        period: 2e6,
        seconds: 1,
      },
      {
        path: '/heap',
        types: ['alloc_objects/count', 'alloc_space/bytes', 'inuse_objects/count', 'inuse_space/bytes'],
        periodType: 'space/bytes',
        period: 1024,
        seconds: 0,
      },
    ])('$path', ({ path, types, periodType, period, seconds }) => {
      let profile: Profile;
      let begin: number;
      let end: number;
      beforeAll(async () => {
        ({ profile, begin, end } = await capture(path));
      });

      it("has Go's sample types, units and period, in Go's order", () => {
        expect(profile.sampleType.map((type) => typeOf(profile, type))).toEqual(types);
        expect(typeOf(profile, profile.periodType)).toBe(periodType);
        expect(Number(profile.period)).toBe(period);
      });

      it('says when it began', () => {
        const at = Number(BigInt(profile.timeNanos) / 1_000_000n);
        expect(at).toBeGreaterThanOrEqual(begin);
        expect(at).toBeLessThanOrEqual(end - seconds * 990);
      });

      it('says how long it took, if it took time', () => {
        const duration = Number(profile.durationNanos) / 1e9;
        expect(duration).toBeGreaterThanOrEqual(seconds * 0.95);
        expect(duration).toBeLessThanOrEqual((end - begin) / 1000 + 0.001);
      });

      it('has samples, each with a value for every type and a stack of known frames', () => {
        expect(profile.sample.length).toBeGreaterThan(0);
        const ids = new Set(profile.location.map(({ id }) => Number(id)));
        for (const { value, locationId } of profile.sample) {
          expect(value).toHaveLength(types.length);
          expect(value.every((one) => Number(one) >= 0) && value.some((one) => Number(one) > 0)).toBe(true);
          expect(locationId.length).toBeGreaterThan(0);
          expect(locationId.every((id) => ids.has(Number(id)))).toBe(true);
        }
      });

      it('numbers functions and locations from 1, in order', () => {
        for (const table of [profile.function, profile.location]) {
          expect(table.map(({ id }) => Number(id))).toEqual(table.map((_, i) => i + 1));
        }
      });

      it('has one mapping that has functions, and every location is in it', () => {
        expect(profile.mapping).toHaveLength(1);
        expect(profile.mapping[0]).toMatchObject({ hasFunctions: true });
        expect(Number(profile.mapping[0]!.id)).toBe(1);
        expect(textAt(profile, profile.mapping[0]!.filename)).not.toBe('');
        expect(profile.location.every(({ mappingId }) => Number(mappingId) === 1)).toBe(true);
      });

      it('has unique addresses that Go and JavaScript can hold', () => {
        const addresses = profile.location.map(({ address }) => BigInt(address));
        expect(new Set(addresses).size).toBe(addresses.length);
        expect(addresses.every((address) => address > 0n && address < 2n ** 53n)).toBe(true);
      });

      it('has no system names, so that no client demangles ours', () => {
        expect(profile.stringTable.strings[0]).toBe('');
        expect(profile.function.every(({ systemName }) => Number(systemName) === 0)).toBe(true);
        expect(profile.function.every(({ name }) => textAt(profile, name) !== '')).toBe(true);
      });

      it('names its sampler, Node and the process in comments', () => {
        const comments = profile.comment.map((comment) => textAt(profile, comment)).join('\n');
        expect(comments).toContain('inspector');
        expect(comments).toContain(`node ${process.version}`);
        expect(comments).toContain(`pid ${process.pid}`);
      });
    });

    it('the CPU profile shows who worked, by function and file, and nobody idle', async () => {
      const { profile } = await capture('/profile?seconds=1');
      const mine = profile.function.find(({ name }) => textAt(profile, name) === 'busyFor');
      expect(textAt(profile, mine?.filename ?? 0)).toMatch(/contract\.e2e-spec\.ts$/);
      expect(profile.function.map(({ name }) => textAt(profile, name))).not.toContain('(idle)');
    });

    it('the heap profile counts the memory outside of the heap', async () => {
      const { profile } = await capture('/heap');
      expect(profile.function.map(({ name }) => textAt(profile, name))).toContain('(external)');
    });

    it('gc=1 still counts what is held', async () => {
      const { profile } = await capture('/heap?gc=1');
      const inUse = profile.sample.reduce((sum, { value }) => sum + Number(value[3]), 0);
      expect(inUse).toBeGreaterThan(100_000);
    });

    it('PprofHandler serves the same in code', async () => {
      const { status, headers, body } = await app.app.get(PprofHandler).serve('heap');
      expect({ status, ...headers }).toEqual({
        status: 200,
        'content-type': 'application/octet-stream',
        'content-disposition': 'attachment; filename="heap"',
      });
      expect(Profile.decode(gunzipSync(body)).sampleType).toHaveLength(4);
    });
  });

  describe('the index page', () => {
    afterEach(closeApps);

    it("has Go's title, line and rows in byte order, with relative links", async () => {
      const { base } = await startApp(adapter);
      const { text } = await openIndex(base);
      expect(text).toContain('<title>/debug/pprof/</title>');
      expect(text).toContain('Types of profiles available:');
      expect(rowsOf(text)).toEqual(['cmdline', 'heap', 'profile']);
      const links = [...text.matchAll(/href="([^"]*)"/g)].map(([, href]) => href!);
      expect(links).toEqual(expect.arrayContaining(['cmdline', 'heap?debug=1', 'profile']));
      expect(links.filter((href) => /^(\/|[a-z]+:)/.test(href))).toEqual([]);
      expect(text.endsWith('\n')).toBe(false);
    });

    it('runs nothing and loads nothing', async () => {
      const { base } = await startApp(adapter);
      const { text, headers } = await openIndex(base);
      expect(text).not.toMatch(/<script|\son\w+=|<link|<img|<iframe|url\(/i);
      expect(headers['content-security-policy']).toMatch(
        /^default-src 'none'; style-src 'sha256-[\w+/=]+'; /,
      );
    });

    it('has commands to copy, with the address that the visitor used', async () => {
      const { base, url } = await startApp(adapter);
      const { port } = new URL(url);
      expect((await openIndex(base)).text).toContain(`go tool pprof ${base}/heap<`);
      expect((await openIndex(base, { host: `localhost:${port}` })).text).toContain(
        `go tool pprof http://localhost:${port}/debug/pprof/profile<`,
      );
    });

    it('has commands with the prefix, and with what a trusted proxy tells', async () => {
      const { url } = await startApp(adapter, {
        pprof: { guards: [new Open()], path: 'p' },
        configure: (app) => app.setGlobalPrefix('api/v1'),
      });
      const headers = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'ops.example' };
      expect((await openIndex(`${url}/api/v1/p`, headers)).text).toContain(
        'go tool pprof https://ops.example/api/v1/p/heap<',
      );
    });

    it.each(['"><script>alert(1)</script>', "x' onload='y", '<b>'])(
      'reflects no odd host: %s',
      async (host) => {
        const { base } = await startApp(adapter, { pprof: { guards: [new Open()] } });
        const { text } = await openIndex(base, { host, 'x-forwarded-host': host });
        expect(text).not.toContain(host);
        expect(text).toContain('go tool pprof http://localhost/debug/pprof/heap<');
      },
    );

    it('counts the records of the last reading, and opening it captures nothing', async () => {
      const { app, base } = await startApp(adapter);
      const count = async (): Promise<number> =>
        Number(
          /<td class="count">(\d+)<\/td>\s*<td class="name"><a href="heap/.exec(
            (await openIndex(base)).text,
          )![1],
        );
      expect([await count(), await count()]).toEqual([0, 0]);
      const read = decode(await request(`${base}/heap`));
      expect(read.sample.length).toBeGreaterThan(0);
      expect([await count(), await count()]).toEqual([read.sample.length, read.sample.length]);
      expect(app.get(ProfilerService).lookup('heap')!.count()).toBe(read.sample.length);
    });

    it('opens while a capture runs', async () => {
      const { app, base } = await startApp(adapter);
      app.get(ProfilerService).startCpuProfile();
      expect((await openIndex(base)).status).toBe(200);
      await app.get(ProfilerService).stopCpuProfile();
    });
  });

  async function startWatched(): Promise<TestApp & { watch: Watch }> {
    const watch = new Watch();
    const app = await startApp(adapter, { pprof: { interceptors: [watch] } });
    return { ...app, watch };
  }
});

class Closed implements CanActivate {
  canActivate(): boolean {
    throw new UnauthorizedException();
  }
}

class Open implements CanActivate {
  canActivate(): boolean {
    return true;
  }
}

/** Tells when captures begin and end, as any interceptor of the options can. */
class Watch implements NestInterceptor {
  private readonly events = new EventEmitter();

  intercept(_: unknown, next: CallHandler): Observable<unknown> {
    this.events.emit('begin');
    return next.handle().pipe(finalize(() => this.events.emit('end')));
  }

  /** The next capture is under way. */
  async begun(): Promise<void> {
    await once(this.events, 'begin');
    await setImmediate();
  }

  /** The next capture is over. */
  async ended(): Promise<void> {
    await once(this.events, 'end');
  }
}

/** A capture of 30 seconds whose client goes away as soon as it runs; waits for its end. */
async function abort(base: string, watch: Watch): Promise<void> {
  const [begun, ended] = [watch.begun(), watch.ended()];
  const client = new AbortController();
  const answer = request(`${base}/profile?seconds=30`, { signal: client.signal });
  await begun;
  client.abort();
  await expect(answer).rejects.toThrow('aborted');
  await ended;
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 5000;
  while (!condition() && performance.now() < deadline) await setImmediate();
}

async function timed<T>(work: () => Promise<T>): Promise<{ ms: number; result: T }> {
  const begin = performance.now();
  const result = await work();
  return { ms: performance.now() - begin, result };
}

function busyFor(ms: number): void {
  for (const until = performance.now() + ms; performance.now() < until;);
}

/** What keeps a process alive, in no order. */
function resources(): string[] {
  return process
    .getActiveResourcesInfo()
    .filter((name) => name !== 'Immediate')
    .sort();
}

function decode({ body }: Answer): Profile {
  return Profile.decode(gunzipSync(body));
}

function textAt({ stringTable }: Profile, index: number | bigint): string {
  return stringTable.strings[Number(index)]!;
}

function typeOf(profile: Profile, type: Profile['periodType'] | undefined): string {
  return `${textAt(profile, type!.type)}/${textAt(profile, type!.unit)}`;
}

/** The names in the index's table, in its order. */
function rowsOf(page: string): string[] {
  return [...page.matchAll(/<td class="name"><a href="([\w.-]+)/g)].map(([, name]) => name!);
}
