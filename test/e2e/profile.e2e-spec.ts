import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type CpuProfileOptions, ProfilerBusyError, ProfilerService } from '../../src/index.js';
import { cannotStart } from '../../src/http/go-errors.js';
import { ADAPTERS, closeApps, shortCpuCaptures, startApp, type TestApp } from '../support/app.js';
import { checkRow, type ContractRow, file, HEAD, refused, TEXTS } from '../support/contract.js';
import { DecodedProfile } from '../support/decoded-profile.js';
import { type Answer, request } from '../support/http.js';

const BUSY = `${cannotStart('CPU profiling', new ProfilerBusyError('profile').message).message}\n`;

const CONTRACT: readonly ContractRow[] = [
  file('/profile?seconds=30', 'profile', 'HEAD captures nothing', HEAD),
  file('/profile?seconds=300', 'profile', 'the maximum is allowed', HEAD),
  file('/profile?format=cpuprofile', 'profile.cpuprofile', 'HEAD names the file for DevTools', HEAD),
  ...['301', '9999', '%2B9999', '9223372036854775807', '000000000000000000000000009999', '%399999'].map(
    (seconds) => refused(`/profile?seconds=${seconds}`, 400, TEXTS.tooLong(300)),
  ),
  ...['seconds=9999&seconds=1', 'seconds=%zz&seconds=9999', '%73econds=9999', '&&x&seconds=9999&'].map(
    (query) => refused(`/profile?${query}`, 400, TEXTS.tooLong(300)),
  ),
  refused('/profile?seconds=9999', 400, TEXTS.tooLong(300), HEAD),
  ...['0', '-1', '1001', 'abc', '1.5', '99999999999999999999', '+5', '%00'].map((hz) =>
    refused(`/profile?seconds=1&hz=${hz}`, 400, TEXTS.badHz),
  ),
  refused('/profile?hz=0', 400, TEXTS.badHz, HEAD),
  refused('/profile?seconds=9999&hz=0', 400, TEXTS.tooLong(300)),
  ...['datadog', 'auto', 'PPROF', 'pprof,inspector', '1'].map((sampler) =>
    refused(`/profile?seconds=1&sampler=${sampler}`, 400, TEXTS.badSampler),
  ),
  refused('/profile?sampler=datadog', 400, TEXTS.badSampler, HEAD),
  ...['nonsense', 'heapprofile', 'CPUPROFILE'].map((format) =>
    refused(`/profile?seconds=1&format=${format}`, 400, TEXTS.badFormat('cpuprofile or speedscope')),
  ),
  refused('/profile?format=nonsense', 400, TEXTS.badFormat('cpuprofile or speedscope'), HEAD),
];

/** Queries, and the seconds of the capture. */
const SECONDS: readonly (readonly [query: string, seconds: number, why: string])[] = [
  ['', 30, 'the default'],
  ['?', 30, 'the default'],
  ['?seconds', 30, 'the default'],
  ['?seconds=', 30, 'the default'],
  ['?seconds=1', 1, 'as asked'],
  ['?seconds=%31', 1, 'values are decoded'],
  ['?seconds=%2B7', 7, 'a sign is part of a number'],
  ['?seconds=007', 7, 'leading zeros are allowed'],
  ...['abc', '1.5', '0', '-3', '1_0', '0x1', '1e1', 'NaN', '-99999999999999999999'].map(
    (seconds) => [`?seconds=${seconds}`, 30, 'malformed'] as const,
  ),
  ['?seconds=99999999999999999999', 30, 'beyond int64'],
  ['?seconds=9223372036854775808', 30, 'beyond int64 by one'],
  ['?seconds=%zz', 30, 'a broken escape drops the pair'],
  ['?seconds=+99', 30, 'a plus is a space'],
  ['?seconds=%2099', 30, 'a space is malformed'],
  ['?seconds=99;x=1', 30, 'a semicolon drops the pair'],
  ['?SECONDS=99', 30, 'names are case-sensitive'],
  ['?seconds=1&seconds=99', 1, 'the first value counts'],
  ['?seconds=5&debug=1', 5, 'debug is ignored'],
];

/** Queries, and what else they ask of the profiler. */
const ASKED: readonly (readonly [query: string, asked: Partial<CpuProfileOptions>])[] = [
  ['', { hz: 100, sampler: undefined, gc: false }],
  ['?hz=', { hz: 100 }],
  ['?hz=1', { hz: 1 }],
  ['?hz=1000', { hz: 1000 }],
  ['?hz=%2B99', { hz: 99 }],
  ['?hz=007', { hz: 7 }],
  ['?gc=1', { gc: true }],
  ['?gc=abc', { gc: false }],
  ['?sampler=pprof', { sampler: 'pprof' }],
  ['?sampler=inspector', { sampler: 'inspector' }],
  ['?sampler=', { sampler: undefined }],
  ['?format=', { sampler: undefined }],
  ['?format=cpuprofile', { sampler: 'inspector' }], // it knows the time of each sample
  ['?format=cpuprofile&sampler=pprof', { sampler: 'pprof' }],
];

describe.each(ADAPTERS)('profile on %s', (adapter) => {
  describe('parameters', () => {
    let app: TestApp;
    let asked: CpuProfileOptions[];
    beforeAll(async () => {
      app = await startApp(adapter);
      asked = shortCpuCaptures(app);
    });
    afterAll(closeApps);

    it.each(CONTRACT)('$title', (row) => expect(checkRow(app.base, row)).resolves.toBeUndefined());

    it.each(SECONDS)('GET /profile%s captures %d seconds: %s', async (query, seconds) => {
      expect(await get(query)).toMatchObject({ seconds });
    });

    it.each(ASKED)('GET /profile%s captures with %j', async (query, options) => {
      expect(await get(query)).toMatchObject(options);
    });

    it('profile?format=cpuprofile serves the JSON that DevTools open', async () => {
      const { headers, text } = await request(`${app.base}/profile?format=cpuprofile`);
      expect(headers).toMatchObject({
        'content-type': 'application/octet-stream',
        'content-disposition': 'attachment; filename="profile.cpuprofile"',
      });
      const { nodes } = JSON.parse(text) as { nodes: { callFrame: { functionName: string } }[] };
      const names = nodes.map(({ callFrame }) => callFrame.functionName);
      expect(names).toEqual(expect.arrayContaining(['(root)', 'main', 'hotA', 'hotB']));
    });

    it('HEAD and refused requests capture nothing', async () => {
      asked.length = 0;
      for (const { path, method } of CONTRACT) await request({ base: app.base, path }, { method });
      expect(asked).toEqual([]);
    });

    async function get(query: string): Promise<CpuProfileOptions> {
      asked.length = 0;
      const { status, headers } = await request({ base: app.base, path: `/profile${query}` });
      expect([status, headers['x-go-pprof']]).toEqual([200, undefined]);
      expect(asked).toHaveLength(1);
      return asked[0]!;
    }
  });

  describe('the profile', () => {
    let answer: Answer;
    let profile: DecodedProfile;
    let begin: number;
    let app: TestApp;
    beforeAll(async () => {
      app = await startApp(adapter);
      begin = Date.now();
      answer = await request(`${app.base}/profile?seconds=1&hz=500`, {
        headers: { 'accept-encoding': 'gzip' },
      });
      profile = new DecodedProfile(answer.body);
    });
    afterAll(closeApps);

    it('is a download without Content-Encoding', () => {
      expect(answer.headers).toMatchObject({
        'content-type': 'application/octet-stream',
        'content-disposition': 'attachment; filename="profile"',
        'x-content-type-options': 'nosniff',
        'cache-control': 'no-store, no-transform',
        'content-length': String(answer.body.length),
      });
      expect(answer.headers).not.toHaveProperty('content-encoding');
    });

    it("has Go's sample types, and the period of hz", () => {
      expect(profile.sampleTypes).toEqual(['samples', 'cpu']);
      expect(profile.units).toEqual(['count', 'nanoseconds']);
      expect([profile.periodType, profile.period]).toEqual(['cpu/nanoseconds', 2e6]);
      expect(app.sampling.rates).toEqual([500]);
    });

    it('starts at the time of the request, and has the duration of the samples', () => {
      expect(profile.timeMs).toBeGreaterThanOrEqual(begin);
      expect(profile.timeMs).toBeLessThanOrEqual(Date.now());
      expect(profile.durationNanos).toBe(10e9);
    });

    it('has the samples of each stack and line, and none that are idle', () => {
      const hotA = { stack: ['hotA', 'main'] };
      expect(profile.samples).toEqual([
        { ...hotA, values: { samples: 50, cpu: 500e6 } },
        { ...hotA, values: { samples: 20, cpu: 200e6 } },
        { stack: ['hotB', 'main'], values: { samples: 30, cpu: 300e6 } },
        { stack: ['v8:worker', '(other threads)'], values: { samples: 0, cpu: 50e6 } },
      ]);
      const lines = profile.places.map(({ name, file, line }) => `${name} ${file}:${line}`);
      expect(lines).toEqual(expect.arrayContaining(['hotA /app/cats.js:12', 'hotA /app/cats.js:13']));
    });

    it('numbers functions and locations from 1 in order, in one mapping that has functions', () => {
      const { raw } = profile;
      for (const table of [raw.function, raw.location]) {
        expect(table.map(({ id }) => Number(id))).toEqual(table.map((_, i) => i + 1));
      }
      expect(raw.mapping.map(({ id, hasFunctions }) => [Number(id), hasFunctions])).toEqual([[1, true]]);
      expect(raw.location.every(({ mappingId }) => Number(mappingId) === 1)).toBe(true);
    });

    it('has unique addresses that Go and JavaScript can hold, and no system names', () => {
      const addresses = profile.raw.location.map(({ address }) => BigInt(address));
      expect(new Set(addresses).size).toBe(addresses.length);
      expect(addresses.every((address) => address > 0n && address < 2n ** 53n)).toBe(true);
      expect(profile.raw.stringTable.strings[0]).toBe('');
      expect(profile.raw.function.every(({ systemName }) => Number(systemName) === 0)).toBe(true);
    });
  });

  describe('one capture at a time', () => {
    afterEach(closeApps);

    it('profile returns 500 while another profile over HTTP runs, which goes on', async () => {
      const { base, sampling, close } = await startApp(adapter);
      const first = await running(base, sampling);
      const second = await request(`${base}/profile?seconds=1`);
      expect(second).toMatchObject({ status: 500, text: BUSY });
      expect(second.headers).toMatchObject({
        'content-type': 'text/plain; charset=utf-8',
        'x-go-pprof': '1',
      });
      expect(second.headers).not.toHaveProperty('content-disposition');
      expect(sampling.running.cpu).toBe(1);
      await close();
      expect((await first.answer).status).toBe(200);
    });

    it('profile returns 500 while a capture in code runs, heap does not, and HEAD takes no turn', async () => {
      const { app, base } = await startApp(adapter);
      const profiler = app.get(ProfilerService);
      profiler.startCpuProfile();
      expect(await request(`${base}/profile?seconds=1`)).toMatchObject({ status: 500, text: BUSY });
      expect((await request(`${base}/heap`)).status).toBe(200);
      expect((await request(`${base}/profile`, { method: 'HEAD' })).status).toBe(200);
      await profiler.stopCpuProfile();
      await expectNextCapture(app);
    });

    it('a capture in code is refused while profile runs, and works after', async () => {
      const { app, base, sampling } = await startApp(adapter);
      const profiler = app.get(ProfilerService);
      const first = await running(base, sampling);
      expect(() => profiler.startCpuProfile()).toThrow(ProfilerBusyError);
      await expect(profiler.cpuProfile({ seconds: 1 })).rejects.toThrow(ProfilerBusyError);
      await first.abort();
      await expectNextCapture(app);
    });
  });

  describe('a capture always ends', () => {
    afterEach(closeApps);

    it('profile ends when its client goes away, and the next capture works', async () => {
      const { app, base, sampling } = await startApp(adapter);
      await (await running(base, sampling)).abort();
      expect(sampling.running.cpu).toBe(0);
      await expectNextCapture(app);
    });

    it('profile ends when the application closes: its client gets the profile so far', async () => {
      const { base, sampling, close } = await startApp(adapter);
      const { answer } = await running(base, sampling);
      await close();
      const { status, headers, body } = await answer;
      expect([status, headers.connection]).toEqual([200, 'close']);
      expect(new DecodedProfile(body).total('samples')).toBe(100);
    });

    it.each<[string, (profiler: ProfilerService) => unknown]>([
      ['cpuProfile', (profiler) => profiler.cpuProfile({ seconds: 30 })],
      ['startCpuProfile', (profiler) => profiler.startCpuProfile()],
    ])('%s in code ends when the application closes, and the next application captures', async (_, start) => {
      const { app, sampling, close } = await startApp(adapter);
      const begun = sampling.begun();
      const captured = start(app.get(ProfilerService));
      await begun;
      await close();
      await captured;
      expect(sampling.running.cpu).toBe(0);
      await expectNextCapture((await startApp(adapter)).app);
    });

    it('fifty captures, half of them aborted, leave no recording or socket behind', async () => {
      const { app, base, sampling } = await startApp(adapter);
      const before = process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
      for (let round = 0; round < 25; round++) {
        await (await running(base, sampling)).abort();
        await request(`${base}/heap`);
      }
      expect(sampling.running.cpu).toBe(0);
      while (process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length > before)
        await new Promise((resolve) => setImmediate(resolve));
      await expectNextCapture(app);
    });
  });
});

interface Running {
  readonly answer: Promise<Answer>;
  /** The client goes away; resolves when the capture has ended. */
  abort(): Promise<void>;
}

/** A capture of 30 seconds that is under way. */
async function running(base: string, sampling: TestApp['sampling']): Promise<Running> {
  const client = new AbortController();
  const begun = sampling.begun();
  const answer = request(`${base}/profile?seconds=30`, { signal: client.signal });
  await begun;
  return {
    answer,
    abort: async () => {
      const ended = sampling.ended();
      client.abort();
      await expect(answer).rejects.toThrow('aborted');
      await ended;
    },
  };
}

async function expectNextCapture(app: TestApp['app']): Promise<void> {
  const { profile } = await app.get(ProfilerService).cpuProfile({ seconds: 0.001 });
  expect(profile.samples.length).toBe(4);
}
