import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { NamedProfile, ProfilerService } from '../../src/index.js';
import { ADAPTERS, closeApps, startApp } from '../support/app.js';
import { describeGo, goPprof, topRows } from '../support/go.js';
import { type DecodedProfile, startWorkload, TestProcess, type Workload } from '../support/process.js';

const isLinux = process.platform === 'linux';
const describeOnLinux = isLinux ? describe : describe.skip;

/** Before version 24 Node names few of its threads. */
const V8_THREAD = Number.parseInt(process.versions.node, 10) >= 24 ? /V8Worker$/ : /^node$/;

describe('threadcreate', () => {
  let app: Workload;
  beforeAll(async () => {
    app = await startWorkload('threads.mjs');
    await app.post('startPool');
    await app.post('startOne');
  });
  afterAll(() => TestProcess.stopAll());

  it('has each worker thread at the stack that made it', async () => {
    const profile = await app.profile('threadcreate');
    expect(made(profile, 'startPool')).toBe(3);
    expect(made(profile, 'startOne')).toBe(1);
    const { stack } = profile.samples.find(({ stack }) => stack.includes('startOne'))!;
    expect(stack[0]).toBe('Worker');
    expect(profile.places.find(({ name }) => name === 'startOne')).toMatchObject({
      file: expect.stringMatching(/threads\.mjs$/),
      line: expect.any(Number),
    });
  });

  describeOnLinux('where the system lists the threads', () => {
    it('has as many as it knows, each once', async () => {
      const profile = await app.profile('threadcreate');
      const { tasks } = await app.post<{ tasks: number }>('tasks');
      expect(profile.total('threadcreate')).toBe(tasks);
      expect(made(profile, '(main thread)')).toBe(1);
      expect(made(profile, '(native threads)')).toBe(tasks - 5);
    });

    it('tells the other ones by their names', async () => {
      const profile = await app.profile('threadcreate');
      const natives = profile.samples.filter(({ stack }) => stack.at(-1) === '(native threads)');
      expect(natives.every(({ stack }) => stack.length === 2)).toBe(true);
      const names = natives.map(({ stack }) => stack[0]);
      expect(new Set(names).size).toBe(names.length);
      expect(names).toContainEqual(expect.stringMatching(V8_THREAD));
    });
  });

  it('is of the types that Go has, and the index counts the threads', async () => {
    const { raw, sampleTypes, period } = await app.profile('threadcreate');
    const texts = raw.stringTable.strings;
    expect(sampleTypes).toEqual(['threadcreate']);
    expect([raw.periodType!.type, raw.periodType!.unit].map((index) => texts[Number(index)])).toEqual([
      'threadcreate',
      'count',
    ]);
    expect(period).toBe(1);
    const index = await (await fetch(app.pprof(''))).text();
    const [, count] = /(\d+)<\/td>\s*<td class="name"><a href="threadcreate/.exec(index) ?? [];
    expect(Number(count)).toBeGreaterThan(isLinux ? 5 : 4);
  });

  it('has Go’s text', async () => {
    const text = await (await fetch(app.pprof('threadcreate?debug=1'))).text();
    expect(text).toMatch(/^threadcreate profile: total \d+\n\d+ @( 0x[0-9a-f]+)+\n#\t0x/);
    expect(text).toMatch(/\n3 @( 0x[0-9a-f]+)+\n#\t0x[0-9a-f]+\t+Worker\+.*\n(#.*\n)*#.*\t+startPool\+/);
  });

  describeGo('for go tool pprof', () => {
    it.each(['', '?debug=1'])('threadcreate%s', async (query) => {
      const rows = topRows(await goPprof('-top', '-nodefraction=0', app.pprof(`threadcreate${query}`)));
      expect(rows.get('startPool')?.cum).toBe('3');
    });
  });

  it('has windows: what there is more of, or less', async () => {
    const opened = app.profile('threadcreate?seconds=1');
    await app.post('tasks'); // whose answer comes after the window was opened
    await app.post('startOne');
    expect(made(await opened, 'startOne')).toBe(1);
    expect(made(await app.profile('threadcreate'), 'startOne')).toBe(2);
  });

  it('forgets those that have ended', async () => {
    await app.post('stop');
    const profile = await app.profile('threadcreate');
    expect([made(profile, 'startPool'), made(profile, 'startOne')]).toEqual([0, 0]);
    const { tasks } = await app.post<{ tasks: number | undefined }>('tasks');
    expect(profile.total('threadcreate')).toBe(tasks ?? 1);
  });
});

describe('a worker thread from before the module', () => {
  afterEach(() => TestProcess.stopAll());

  it('has its stack with preload, and is one of the others without', async () => {
    const [without, preloaded] = await Promise.all(
      [[], ['--import', 'nestjs-pprof/preload']].map((flags) =>
        startWorkload('threads.mjs', { env: { EARLY: '1' }, flags }),
      ),
    );
    expect(made(await without!.profile('threadcreate'), 'startOne')).toBe(0);
    expect(made(await preloaded!.profile('threadcreate'), 'startOne')).toBe(1);
  });
});

describe.each(ADAPTERS)('threadcreate in code on %s', (adapter) => {
  afterEach(closeApps);

  it('is a named profile', async () => {
    const { app } = await startApp(adapter);
    const profile = app.get(ProfilerService).lookup('threadcreate');
    expect(profile).toBeInstanceOf(NamedProfile);
    expect(profile!.count()).toBeGreaterThan(0);
    expect((await profile!.collect()).profile.samples.length).toBeGreaterThan(0);
  });
});

/** Number of threads with a function on their stack. */
function made(profile: DecodedProfile, name: string): number {
  return profile.cumulative('threadcreate', name);
}
