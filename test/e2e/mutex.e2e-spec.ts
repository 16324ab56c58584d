import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ProfilerArgumentError, ProfilerService } from '../../src/index.js';
import { ADAPTERS, closeApps, shortWindows, startApp, type TestApp } from '../support/app.js';
import { checkRow, type ContractRow, file, HEAD, refused, text, TEXTS } from '../support/contract.js';
import { DecodedProfile } from '../support/decoded-profile.js';
import { describeGo, goPprof, topRows } from '../support/go.js';
import { request } from '../support/http.js';

const ON = { mutexProfileThreshold: 20 };

const CONTRACT: readonly ContractRow[] = [
  file('/mutex', 'mutex', 'a profile'),
  file('/mutex', 'mutex', 'HEAD sends the same headers', HEAD),
  file('/mutex?gc=1', 'mutex', 'gc is ignored'),
  file('/mutex?seconds=1', 'mutex-delta', 'a window'),
  text('/mutex?debug=1', "Go's text", {
    text: /^--- mutex:\ncycles\/second=1000000000\nsampling period=1\n/,
  }),
  text('/mutex?debug=2', "Go's text", { text: /^--- mutex:\n/ }),
  refused('/mutex?seconds=0', 400, TEXTS.badSeconds),
  refused('/mutex?seconds=1&debug=1', 400, TEXTS.incompatible),
];

/** Contentions and ms by functions. */
const valuesOf = (profile: DecodedProfile): Record<string, readonly number[]> =>
  Object.fromEntries(
    profile.samples.map(({ stack, values: { contentions, delay } }) => [
      stack[0]!,
      [contentions!, delay! / 1e6],
    ]),
  );

const profileOf = async ({ base }: TestApp, query = ''): Promise<DecodedProfile> =>
  new DecodedProfile((await request(`${base}/mutex${query}`)).body);

const statusOf = async ({ base }: TestApp): Promise<string> => {
  const { text } = await request(`${base}/`);
  return /<p class="status">(.*?mutex.*?|on.*?)<\/p>/i.exec(text.slice(text.indexOf('>mutex</th>')))![1]!;
};

describe.each(ADAPTERS)('mutex on %s', (adapter) => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startApp(adapter, { pprof: ON });
    shortWindows(app);
    app.sampling.holdLoop({ parse: 70, sort: 30 });
    app.sampling.holdLoop({ sort: 25 });
    app.sampling.holdLoop({ parse: 20 });
  });
  afterAll(closeApps);

  it.each(CONTRACT)('$title', (row) => expect(checkRow(app.base, row)).resolves.toBeUndefined());

  it('has the holds that were longer than the threshold, and their delay by functions', async () => {
    const profile = await profileOf(app);
    expect(valuesOf(profile)).toEqual({ parse: [1, 70], sort: [1, 55] });
    expect(profile.samples.every(({ stack }) => stack[1] === 'main')).toBe(true);
  });

  it("has Go's types, and a comment with the threshold", async () => {
    const { sampleTypes, units, periodType, period, durationNanos, comments } = await profileOf(app);
    expect([sampleTypes, units]).toEqual([
      ['contentions', 'delay'],
      ['count', 'nanoseconds'],
    ]);
    expect([periodType, period, durationNanos]).toEqual(['contentions/count', 1, 0]);
    expect(comments).toContain('holds of the event loop longer than 20 ms');
  });

  it('mutex?debug=1 has stacks by delay, each with its functions', async () => {
    const { text } = await request(`${app.base}/mutex?debug=1`);
    expect(text.replaceAll(/(?<!\+)0x[0-9a-f]+/g, '0x')).toMatch(
      /\n70000000 1 @ 0x 0x\n#\t0x\t+parse\+0x\w+\t\/app\/cats\.js:51\n#\t0x\t+main\+0x\w+\t\/app\/cats\.js:3\n\n55000000 1 @ 0x 0x\n/,
    );
  });

  it('mutex?seconds=1 in which nothing holds the loop is empty, and has its types', async () => {
    const { samples, sampleTypes, periodType, durationNanos } = await profileOf(app, '?seconds=1');
    expect(samples).toEqual([]);
    expect([...sampleTypes, periodType]).toEqual(['contentions', 'delay', 'contentions/count']);
    expect(durationNanos).toBeGreaterThan(0);
  });

  it('counts its stacks for the index', async () => {
    await profileOf(app);
    expect(app.app.get(ProfilerService).lookup('mutex')!.count()).toBe(2);
    expect(await statusOf(app)).toBe('on: holds of the event loop longer than 20 ms');
  });
});

describe.each(ADAPTERS)('mutex that is off on %s', (adapter) => {
  let app: TestApp;
  let profiler: ProfilerService;
  beforeAll(async () => {
    app = await startApp(adapter);
    profiler = app.app.get(ProfilerService);
  });
  afterAll(closeApps);

  it('is empty, has its types, and says in the index how to switch it on', async () => {
    app.sampling.holdLoop({ parse: 1000 });
    const { samples, sampleTypes } = await profileOf(app);
    expect([samples, sampleTypes]).toEqual([[], ['contentions', 'delay']]);
    expect(await statusOf(app)).toBe(
      'off: set the option mutexProfileThreshold or call profiler.setMutexProfileThreshold(n); seconds=N switches it on for the window (holds of the event loop longer than 50 ms)',
    );
  });

  it('is on for a window, with holds longer than 50 ms', async () => {
    const window = await profiler.lookup('mutex')!.openWindow();
    expect(await statusOf(app)).toBe('on: holds of the event loop longer than 50 ms');
    expect(app.sampling.threshold).toBe(50);
    app.sampling.holdLoop({ parse: 60 });
    app.sampling.holdLoop({ sort: 50 });
    expect(valuesOf(new DecodedProfile(await (await window.end()).encode()))).toEqual({ parse: [1, 60] });
    window.close();
    expect(app.sampling.threshold).toBe(0);
  });

  it('a window has what happens in it, and the profile all of it: TestDeltaProfile of Go', async () => {
    profiler.setMutexProfileThreshold(20);
    const before = valuesOf(await profileOf(app));
    app.sampling.holdLoop({ mutexHog1: 30 });
    const window = await profiler.lookup('mutex')!.openWindow();
    app.sampling.holdLoop({ mutexHog2: 40 });
    const inWindow = new DecodedProfile(await (await window.end()).encode());
    window.close();
    expect(valuesOf(inWindow)).toEqual({ mutexHog2: [1, 40] });
    expect(valuesOf(await profileOf(app))).toEqual({ ...before, mutexHog1: [1, 30], mutexHog2: [1, 40] });
    profiler.setMutexProfileThreshold(0);
  });
});

describe('setMutexProfileThreshold', () => {
  afterEach(closeApps);

  it('returns the old threshold, and what was gathered stays when it is off', async () => {
    const app = await startApp('express', { pprof: ON });
    const profiler = app.app.get(ProfilerService);
    app.sampling.holdLoop({ parse: 70 });
    expect([100, 0, 0].map((ms) => profiler.setMutexProfileThreshold(ms))).toEqual([20, 100, 0]);
    app.sampling.holdLoop({ parse: 1000 });
    const profile = await profileOf(app);
    expect(valuesOf(profile)).toEqual({ parse: [1, 70] });
    expect(profile.comments).toContain('holds of the event loop longer than 100 ms');
  });

  it.each([9, -1, 60_001, Number.NaN, '50'])('refuses %p', async (ms) => {
    const profiler = (await startApp('express')).app.get(ProfilerService);
    expect(() => profiler.setMutexProfileThreshold(ms as number)).toThrow(ProfilerArgumentError);
    expect(() => profiler.setMutexProfileThreshold(ms as number)).toThrow(
      /10 to 60000, or 0 to switch it off/,
    );
  });

  it('is over when the application closes', async () => {
    const app = await startApp('express', { pprof: ON });
    await app.close();
    expect(app.sampling.threshold).toBe(0);
  });
});

describe('a mutex profile without the samples of V8', () => {
  afterEach(closeApps);

  it('says why it does not know the stacks', async () => {
    const { app, sampling } = await startApp('express', { pprof: ON });
    sampling.unnamed = "the option warm is 'off'";
    const captured = await app.get(ProfilerService).lookup('mutex')!.collect();
    expect(captured.profile.comments).toContain(
      "the stacks that held the event loop are unknown: the option warm is 'off'",
    );
  });
});

describeGo('go tool pprof', () => {
  afterEach(closeApps);

  it('reads mutex without a warning', async () => {
    const app = await startApp('express', { pprof: ON });
    app.sampling.holdLoop({ parse: 70, sort: 30 });
    const output = await goPprof('-top', '-unit=ms', `${app.base}/mutex`);
    expect(output).toContain('Type: delay\n');
    expect(output).not.toMatch(/warning/i);
    expect(topRows(output).get('parse')).toMatchObject({ flat: '70ms', cum: '70ms' });
  });
});
