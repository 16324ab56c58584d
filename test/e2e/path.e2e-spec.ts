import { Injectable, Module } from '@nestjs/common';
import { afterEach, describe, expect, it } from '@jest/globals';
import { PprofModule, ProfilerService } from '../../src/index.js';
import { ADAPTERS, type AppSetup, closeApps, startApp } from '../support/app.js';
import { KeyGuard, UptimeController } from '../support/application-parts.js';
import { brokenRows, SHORT_CONTRACT } from '../support/contract.js';
import { request } from '../support/http.js';

@Injectable()
class Cats {
  constructor(readonly profiler: ProfilerService) {}
}

@Module({ imports: [PprofModule], providers: [Cats], exports: [PprofModule] })
class CatsModule {}

@Injectable()
class Dogs {
  constructor(readonly profiler: ProfilerService) {}
}

@Module({ imports: [CatsModule], providers: [Dogs] })
class DogsModule {}

const two = (first: string, second: string): AppSetup => ({
  pprof: false,
  controllers: [UptimeController],
  imports: [
    PprofModule.forRoot({ path: first, guards: [new KeyGuard('first')] }),
    PprofModule.forRoot({ path: second, guards: [new KeyGuard('second')], cmdline: false }),
  ],
});

const guardedAt = (path: string): AppSetup => ({
  controllers: [UptimeController],
  pprof: { path, guards: [new KeyGuard(path)] },
});

const EXCLUDED = { exclude: ['debug/pprof', 'debug/pprof/{*rest}'] };

describe.each(ADAPTERS)('the option path on %s', (adapter) => {
  afterEach(closeApps);

  it.each([
    { path: 'ops/.profiles', prefix: '' },
    { path: '/debug/pprof/', prefix: 'api' },
    { path: 'ops/.profiles', prefix: '/api/v1/' },
  ])(
    'path $path with the global prefix "$prefix" follows the contract, as does an endpoint of the application',
    async ({ path, prefix }) => {
      const { url } = await startApp(adapter, {
        controllers: [UptimeController],
        pprof: { path },
        configure: (app) => prefix && app.setGlobalPrefix(prefix),
      });
      const base = `${url}/${prefix}/${path}`.replaceAll(/(?<!:)\/+/g, '/').replace(/\/$/, '');
      expect(await brokenRows(base, SHORT_CONTRACT)).toEqual([]);
      expect((await request(`${base}/uptime`)).text).toBe('up\n');
    },
  );

  it('endpoints are at one path only: under the global prefix, or without where the application excludes it', async () => {
    const prefixed = await startApp(adapter, { configure: (app) => app.setGlobalPrefix('api') });
    expect((await request(`${prefixed.url}/api/debug/pprof/heap`)).status).toBe(200);
    expect((await request(`${prefixed.url}/debug/pprof/heap`)).status).toBe(404);
    const excluded = await startApp(adapter, { configure: (app) => app.setGlobalPrefix('api', EXCLUDED) });
    expect((await request(`${excluded.url}/debug/pprof/heap`)).status).toBe(200);
    expect((await request(`${excluded.url}/debug/pprof`)).status).toBe(307);
    expect((await request(`${excluded.url}/api/debug/pprof/heap`)).status).toBe(404);
  });

  it.each(['heap', 'uptime', '', 'nope', 'trace?seconds=0.01'])(
    'two modules in one application have guards of their own for "%s"',
    async (name) => {
      const { url } = await startApp(adapter, two('first', 'second'));
      const status = { heap: 200, uptime: 200, '': 200, nope: 404, 'trace?seconds=0.01': 200 }[name];
      for (const [path, key, expected] of [
        ['first', 'first', status],
        ['first', 'second', 401],
        ['second', 'second', status],
        ['second', 'first', 401],
      ] as const) {
        const answer = await request(`${url}/${path}/${name}`, { headers: { 'x-key': key } });
        expect([path, key, answer.status]).toEqual([path, key, expected]);
      }
    },
  );

  it.each([
    ['ops', 'ops/inner'],
    ['ops/inner', 'ops'],
  ])('of modules at the paths %s and %s, each has options of its own', async (first, second) => {
    const { url } = await startApp(adapter, two(first, second));
    const status = async (path: string, key: string): Promise<number> =>
      (await request(url + path, { headers: { 'x-key': key } })).status;
    expect(await status(`/${first}/cmdline`, 'first')).toBe(200);
    expect(await status(`/${second}/cmdline`, 'second')).toBe(404);
    for (const name of ['heap', 'h%65ap', 'uptime']) {
      expect(await status(`/${second}/${name}`, 'second')).toBe(200);
      expect(await status(`/${second}/${name}`, 'first')).toBe(401);
      expect(await status(`/${first}/${name}`, 'first')).toBe(200);
    }
  });

  it('imports: [PprofModule] uses the defaults, and is one module wherever it is imported', async () => {
    const { app, base } = await startApp(adapter, {
      pprof: false,
      imports: [CatsModule, DogsModule, PprofModule],
    });
    expect(await brokenRows(base, SHORT_CONTRACT)).toEqual([]);
    const [cats, dogs] = [Cats, Dogs].map((type) => app.get(type, { strict: false }).profiler);
    expect(cats).toBeInstanceOf(ProfilerService);
    expect(dogs).toBe(cats);
  });

  it('imports: [PprofModule] beside forRoot() fails the boot, since both have the default path', async () => {
    const imports = [PprofModule, PprofModule.forRoot()];
    await expect(startApp(adapter, { pprof: false, imports })).rejects.toThrow(
      'PprofModule: two modules have the path "debug/pprof"; give each its own, or import one of them (PprofModule without forRoot is one, too)',
    );
  });

  it.each([
    ['debug/pprof', 'debug/pprof'],
    ['debug/pprof', '/debug/pprof/'],
  ])('two modules at the paths %s and %s fail the boot', async (first, second) => {
    await expect(startApp(adapter, two(first, second))).rejects.toThrow(
      'PprofModule: two modules have the path "debug/pprof"; give each its own, or import one of them (PprofModule without forRoot is one, too)',
    );
  });

  it('two applications in one process have paths and guards of their own', async () => {
    const one = await startApp(adapter, guardedAt('one'));
    const other = await startApp(adapter, guardedAt('other'));
    for (const [app, key] of [
      [one, 'one'],
      [other, 'other'],
    ] as const) {
      for (const name of ['heap', 'uptime']) {
        expect((await request(`${app.base}/${name}`, { headers: { 'x-key': key } })).status).toBe(200);
        expect((await request(`${app.base}/${name}`)).status).toBe(401);
      }
    }
    expect((await request(`${one.url}/other/heap`, { headers: { 'x-key': 'other' } })).status).toBe(404);
    expect((await request(`${other.url}/one/uptime`, { headers: { 'x-key': 'one' } })).status).toBe(404);
  });
});
