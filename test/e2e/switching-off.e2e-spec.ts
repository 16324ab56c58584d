import { type CanActivate, UnauthorizedException } from '@nestjs/common';
import { afterEach, describe, expect, it } from '@jest/globals';
import { type PprofModuleOptions, ProfilerService } from '../../src/index.js';
import { ADAPTERS, closeApps, startApp } from '../support/app.js';
import { checkRow, refused, TEXTS } from '../support/contract.js';
import { request } from '../support/http.js';

class Closed implements CanActivate {
  canActivate(): boolean {
    throw new UnauthorizedException();
  }
}

describe.each(ADAPTERS)('endpoints that are switched off on %s', (adapter) => {
  afterEach(closeApps);

  it.each<[string, PprofModuleOptions, string]>([
    ['cmdline: false', { cmdline: false }, 'cmdline'],
    ['endpoints: { cmdline: false }', { endpoints: { cmdline: false } }, 'cmdline'],
    ['endpoints: { heap: false }', { endpoints: { heap: false } }, 'heap'],
    ['endpoints: { profile: false }', { endpoints: { profile: false } }, 'profile'],
    ['endpoints: { trace: false }', { endpoints: { trace: false } }, 'trace'],
  ])('%s returns 404, and the index has no row for it', async (_, pprof, name) => {
    const { base } = await startApp(adapter, { pprof });
    for (const path of [`/${name}`, `/${name}?seconds=abc`])
      await checkRow(base, refused(path, 404, TEXTS.unknown));
    expect((await request({ base, path: '/' })).text).not.toMatch(new RegExp(`<a href="${name}["?]`));
  });

  it('enabled: false returns 404 for every endpoint', async () => {
    const { base } = await startApp(adapter, { pprof: { enabled: false } });
    for (const path of [
      '/',
      '/heap',
      '/heap?seconds=abc',
      '/profile',
      '/cmdline',
      '/allocs',
      '/trace',
      '/nope',
    ])
      await checkRow(base, refused(path, 404, TEXTS.unknown));
  });

  it('enabled: false still asks the guards first', async () => {
    const { base } = await startApp(adapter, { pprof: { enabled: false, guards: [new Closed()] } });
    for (const path of ['', '/', '/heap', '/profile', '/allocs', '/nope', '/%zz'])
      await checkRow(base, refused(path, 401, 'Unauthorized'));
  });

  it.each<[string, PprofModuleOptions]>([
    ['memProfileRate: 0', { memProfileRate: 0 }],
    ['enabled: false', { enabled: false }],
  ])('%s starts no heap sampler, and a profile in code says so', async (_, pprof) => {
    const { app, sampling } = await startApp(adapter, { pprof });
    expect(sampling.running.heap).toBe(0);
    const { profile } = await app.get(ProfilerService).heapProfile();
    expect(profile.comments.join('\n')).toContain('heap sampling is off');
    expect(profile.samples.length).toBeLessThanOrEqual(2); // memory outside of the heap
  });
});
