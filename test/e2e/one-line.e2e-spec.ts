import { Get, Injectable, type Type } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CapturedProfile } from '../../src/profiling/captured-profile.js';
import { HoldMeter, nowNanos, runSliced } from '../../src/profiling/loop.js';
import { ENDPOINTS } from '../../src/http/endpoints.js';
import { PprofEndpoint } from '../../src/http/endpoint.decorator.js';
import { NamedProfile } from '../../src/profiling/named-profile.js';
import { PROFILES } from '../../src/profiling/profile-registry.js';
import { buildStackProfile, NO_TREE } from '../../src/profiling/frames/frame-resolver.js';
import type { TestApp } from '../support/app.js';
import { DecodedProfile } from '../support/decoded-profile.js';
import { request } from '../support/http.js';

/** As a contributor adds an endpoint: one file … */
@PprofEndpoint({ name: 'uptime', description: 'Seconds since the process was started.' })
class UptimeEndpoint {
  @Get()
  serve(): string {
    return 'since a while\n';
  }
}

/** … and a named profile: one file … */
@Injectable()
class TicksProfile extends NamedProfile {
  readonly name = 'ticks';
  readonly description = 'Ticks so far.';
  private ticks = 0;

  protected async read(): Promise<CapturedProfile> {
    const holds = new HoldMeter();
    const type = { type: 'ticks', unit: 'count' };
    const header = {
      sampleTypes: [type],
      defaultSampleType: '',
      periodType: type,
      period: 1,
      timeNanos: nowNanos(),
      durationNanos: 0,
      comments: [],
    };
    const stacks = [{ at: ['clock'], values: [++this.ticks] }];
    const profile = await runSliced(buildStackProfile(header, NO_TREE, [], stacks), holds);
    return new CapturedProfile(this.name, profile, holds);
  }
}

/** … and one line in a list, before the module is loaded. */
(ENDPOINTS as Type[]).push(UptimeEndpoint);
(PROFILES as Type[]).push(TicksProfile);
const { ADAPTERS, closeApps, shortWindows, startApp } = await import('../support/app.js');

describe.each(ADAPTERS)('one line in its list, on %s,', (adapter) => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startApp(adapter);
    shortWindows(app);
  });
  afterAll(closeApps);
  const get = (path: string): ReturnType<typeof request> => request({ base: app.base, path });

  it('serves a new endpoint, with its row in the index', async () => {
    expect(await get('/uptime')).toMatchObject({ status: 200, text: 'since a while\n' });
    expect((await get('/')).text).toContain('Seconds since the process was started.');
    expect((await request({ base: app.base, path: '/uptime' }, { method: 'POST' })).status).toBe(405);
  });

  it('serves a new named profile in all forms, with its row in the index', async () => {
    const ticks = async (path: string): Promise<number> =>
      new DecodedProfile((await get(path)).body).flat('ticks', 'clock');
    expect(await ticks('/ticks')).toBe(1);
    expect(await ticks('/ticks?seconds=1')).toBe(1);
    expect((await get('/ticks?debug=1')).text).toMatch(/^ticks profile: total 4\n4 @ 0x/);
    expect((await get('/')).text).toContain('Ticks so far.');
  });
});
