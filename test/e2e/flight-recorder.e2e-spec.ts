import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  PprofModule,
  type PprofModuleOptions,
  ProfilerArgumentError,
  ProfilerService,
} from '../../src/index.js';
import { ADAPTERS, closeApps, startApp, type TestApp } from '../support/app.js';
import { checkRow, type ContractRow, file, HEAD, refused, TEXTS } from '../support/contract.js';
import { DecodedProfile } from '../support/decoded-profile.js';
import { request } from '../support/http.js';

const RECORDER = { warm: 'always', flightRecorder: { seconds: 60, hz: 50 } } as const;

const NOTHING_KEPT = "the flight recorder is off: it requires the options warm: 'always' and flightRecorder";

const CONTRACT: readonly ContractRow[] = [
  file('/profile?past=30', 'profile', 'HEAD reads nothing', HEAD),
  file('/profile?past=30&hz=50', 'profile', 'the rate of the recorder'),
  file('/profile?past=9999', 'profile', 'what there is'),
  file('/profile?past=30&format=cpuprofile', 'profile.cpuprofile', 'the name of what DevTools open', HEAD),
  refused('/profile?past=30&hz=100', 400, 'invalid hz 100: the flight recorder samples at 50 Hz'),
  refused('/profile?past=30&hz=0', 400, TEXTS.badHz),
  refused('/profile?past=30&format=json', 400, TEXTS.badFormat('cpuprofile or speedscope')),
  ...['0', '-1', 'abc', '1.5', '99999999999999999999'].map((past) =>
    refused(`/profile?past=${past}`, 400, TEXTS.badPast),
  ),
  refused('/profile?past=0', 400, TEXTS.badPast, HEAD),
  ...['seconds=1', 'gc=1', 'sampler=pprof', 'sampler=inspector'].map((other) =>
    refused(`/profile?past=30&${other}`, 400, TEXTS.notWithPast(other.split('=')[0]!)),
  ),
];

describe.each(ADAPTERS)('the flight recorder on %s', (adapter) => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startApp(adapter, { pprof: RECORDER });
  });
  afterAll(closeApps);

  it.each(CONTRACT)('$title', (row) => expect(checkRow(app.base, row)).resolves.toBeUndefined());

  it('profile?past=5 has the samples of the last seconds, its time and its rate', async () => {
    const { body } = await request(`${app.base}/profile?past=5`);
    const profile = new DecodedProfile(body);
    expect(profile.total('samples')).toBe(100);
    expect(profile.timeMs).toBe(1.1e12);
    expect(profile.period).toBe(2e7);
    expect(profile.comments).toContain(
      "V8's profiler has been running since 2001-09-09T01:46:40.000Z: only time in code that V8 compiled by on-stack replacement before that may be attributed to its caller",
    );
    expect(profile.comments.join()).not.toContain('requested');
  });

  it('profile?past=30 with less than that has what there is, and a comment', async () => {
    const { body } = await request(`${app.base}/profile?past=30`);
    expect(new DecodedProfile(body).comments).toContain(
      'requested the last 30 s, but only 10.0 s are recorded',
    );
  });

  it('profile?past=30 is answered while a capture runs', async () => {
    const begun = app.sampling.begun();
    const controller = new AbortController();
    const capture = app.app.get(ProfilerService).cpuProfile({ signal: controller.signal });
    await begun;
    expect(await request(`${app.base}/profile?past=30`)).toMatchObject({ status: 200 });
    controller.abort();
    await capture;
  });

  it('captures without hz have the rate of the recorder, which is the warm one', async () => {
    await app.app.get(ProfilerService).cpuProfile({ seconds: 0.001 });
    expect(app.sampling.rates.at(-1)).toBe(50);
  });
});

describe('pastCpuProfile', () => {
  afterEach(closeApps);

  it('has all that is kept, or the seconds that are asked for, and is reported as a capture', async () => {
    const { app } = await startApp('express', { pprof: RECORDER });
    const profiler = app.get(ProfilerService);
    const reported: string[] = [];
    profiler.captures.subscribe(({ profile, peer }) => reported.push(`${profile} for ${peer}`));
    const all = await profiler.pastCpuProfile();
    expect(all.profile.comments.join()).toContain('requested the last 60 s');
    const one = await profiler.pastCpuProfile({ seconds: 0.5 });
    expect(one.profile.comments.join()).not.toContain('requested');
    expect(reported).toEqual(['profile for code', 'profile for code']);
  });

  it.each([0, -1, NaN, '5', null])('rejects %p seconds', async (seconds) => {
    const { app } = await startApp('express', { pprof: RECORDER });
    await expect(app.get(ProfilerService).pastCpuProfile({ seconds: seconds as number })).rejects.toThrow(
      new ProfilerArgumentError(`invalid seconds ${seconds}: expected a number above 0`),
    );
  });

  const without: [pprof: PprofModuleOptions, status: number, text: string][] = [
    [{}, 400, NOTHING_KEPT],
    [{ warm: 'always' }, 400, NOTHING_KEPT],
    [{ warm: 'off' }, 400, NOTHING_KEPT],
    [{ ...RECORDER, enabled: false }, 404, TEXTS.unknown],
  ];
  it.each(without)('is refused with the options %j, which keep nothing', async (pprof, status, text) => {
    const { app, base } = await startApp('express', { pprof });
    await expect(app.get(ProfilerService).pastCpuProfile()).rejects.toThrow('the flight recorder is off');
    expect(await request(`${base}/profile?past=30`)).toMatchObject({ status, text: `${text}\n` });
  });
});

describe('the module', () => {
  afterEach(closeApps);

  it('lets the profiler go when the application is closed', async () => {
    const { sampling, close } = await startApp('express', { pprof: RECORDER });
    expect(sampling.warmMembers).toBe(1);
    await close();
    expect(sampling.warmMembers).toBe(0);
  });

  it('warns at boot where another module keeps the profiler at another rate or for another time', async () => {
    const warnings: unknown[] = [];
    const logger = { log() {}, error() {}, warn: (message: unknown) => warnings.push(message) };
    await startApp('express', {
      pprof: RECORDER,
      imports: [
        PprofModule.forRoot({
          path: 'other',
          warm: 'always',
          flightRecorder: { seconds: 20 },
          sourceMaps: false,
        }),
      ],
      options: { logger },
    });
    expect(warnings).toEqual([
      'The CPU profiler samples at 50 Hz and keeps 60 s, as another PprofModule of this process requires',
    ]);
  });

  it("refuses a rate of captures that is not the recorder's", async () => {
    const pprof = { ...RECORDER, cpuProfileRate: 100 };
    await expect(startApp('express', { pprof })).rejects.toThrow(
      'PprofModule: option "cpuProfileRate" is 100, but "flightRecorder" has hz 50',
    );
  });

  it.each(['auto', 'off', undefined] as const)('refuses a flight recorder with warm: %p', async (warm) => {
    const pprof = { flightRecorder: {}, warm };
    await expect(startApp('express', { pprof })).rejects.toThrow(
      'PprofModule: option "flightRecorder" requires warm: "always"',
    );
  });
});
