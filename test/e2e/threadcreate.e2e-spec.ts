import { channel } from 'node:diagnostics_channel';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { ThreadNames } from '../../src/sampling/native-threads.js';
import type { TestApp } from '../support/app.js';
import { brokenRows, file, HEAD, notAllowed, refused, text, TEXTS } from '../support/contract.js';
import { DecodedProfile } from '../support/decoded-profile.js';
import { describeGo, goPprof, topRows } from '../support/go.js';
import { request } from '../support/http.js';
import { SCRAPER_RULES } from '../support/scraper-rules.js';

/** The threads that the system lists. */
let names: ThreadNames | undefined;
jest.unstable_mockModule('../../src/sampling/native-threads.js', () => ({
  nativeThreadIds: () => [],
  otherNativeThreads: () => [],
  ownThreadId: () => '1',
  threadNames: () => names,
}));
const { ADAPTERS, closeApps, shortWindows, startApp } = await import('../support/app.js');
const { ProfilerService } = await import('../../src/index.js');

/** Workers that run: Node holds them. */
const workers: { threadId: number; threadName: string }[] = [];

/** As if Node had created a worker, here. */
function startWorker(threadName: string): void {
  const worker = { threadId: workers.length + 1, threadName };
  workers.push(worker);
  channel('worker_threads').publish({ worker });
}

function endWorkers(): void {
  for (const worker of workers.splice(0)) worker.threadId = -1;
}

const SIX = { main: 'MainThread', others: ['V8Worker', 'V8Worker', 'mail', 'mail', 'WorkerThread'] };

const CONTRACT = [
  file('/threadcreate', 'threadcreate', 'a profile'),
  file('/threadcreate?gc=1&hz=0&debug=x', 'threadcreate', 'other parameters are ignored'),
  file('/threadcreate', 'threadcreate', 'HEAD sends the same headers', HEAD),
  file('/threadcreate?seconds=1', 'threadcreate-delta', 'a window'),
  text('/threadcreate?debug=1', 'text', { text: /^threadcreate profile: total 6\n/ }),
  text('/threadcreate?debug=2', 'as debug=1', { text: /^threadcreate profile: total 6\n/ }),
  refused('/threadcreate?seconds=0', 400, TEXTS.badSeconds),
  refused('/threadcreate?seconds=301', 400, TEXTS.tooLong(300)),
  refused('/threadcreate?seconds=1&debug=1', 400, TEXTS.incompatible),
  refused('/threadcreate?format=cpuprofile', 400, TEXTS.badFormat('speedscope')),
  refused('/threadcreate/', 404, TEXTS.unknown),
  notAllowed('/threadcreate', 'POST', { body: 'x' }),
];

describe.each(ADAPTERS)('threadcreate on %s', (adapter) => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startApp(adapter);
    shortWindows(app);
  });
  afterEach(endWorkers);
  afterAll(closeApps);

  const served = async (query = ''): Promise<DecodedProfile> =>
    new DecodedProfile((await request({ base: app.base, path: `/threadcreate${query}` })).body);

  it('follows the contract of named profiles', async () => {
    names = SIX;
    expect(await brokenRows(app.base, CONTRACT)).toEqual([]);
  });

  it("has Go's types, each thread once, and the name of a worker as a label", async () => {
    names = SIX;
    startWorker('mail');
    startWorker('mail');
    const profile = await served();
    expect([profile.sampleTypes, profile.units, profile.periodType, profile.period]).toEqual([
      ['threadcreate'],
      ['count'],
      'threadcreate/count',
      1,
    ]);
    expect(profile.samples.map(({ stack: [leaf], values }) => [leaf, values.threadcreate])).toEqual(
      expect.arrayContaining([
        ['(main)', 1],
        ['startWorker', 1],
        ['startWorker', 1],
        ['(V8Worker)', 2],
        ['(worker thread)', 1],
      ]),
    );
    expect(profile.total('threadcreate')).toBe(6);
    const captured = await app.app.get(ProfilerService).lookup('threadcreate')!.collect();
    expect([...captured.profile.strings]).toEqual(expect.arrayContaining(['worker', 'mail']));
  });

  it('says how many workers were created and how many have ended, in a comment and in the text', async () => {
    names = SIX;
    const { comments } = await served();
    const [, before] = /: (\d+) created/.exec(comments[0]!)!;
    startWorker('mail');
    endWorkers();
    startWorker('mail');
    const after = await served();
    const [, created, ended] =
      /^worker threads since \S+Z: (\d+) created, (\d+) ended$/.exec(after.comments[0]!) ?? [];
    expect([Number(created), Number(ended)]).toEqual([Number(before) + 2, Number(created) - 1]);
    const { text } = await request(`${app.base}/threadcreate?debug=1`);
    expect(text.split('\n').at(-2)).toBe(`# ${after.comments[0]}`);
  });

  it('shows the main thread and the workers where the system lists no threads, and says so', async () => {
    names = undefined;
    startWorker('mail');
    const { samples, comments } = await served();
    expect(samples.map(({ stack: [leaf] }) => leaf)).toEqual(['(main)', 'startWorker']);
    expect(comments).toContainEqual(expect.stringContaining('the threads of the process cannot be listed'));
  });

  it('seconds=1 shows the threads that were added, and those that have ended as negative', async () => {
    names = SIX;
    const window = await app.app.get(ProfilerService).lookup('threadcreate')!.openWindow();
    names = { main: 'MainThread', others: ['V8Worker', 'mail', 'mail', 'WorkerThread', 'libuv-worker'] };
    const profile = new DecodedProfile(await (await window.end()).encode());
    expect(profile.samples).toEqual(
      expect.arrayContaining([
        { stack: ['(V8Worker)'], values: { threadcreate: -1 } },
        { stack: ['(libuv-worker)'], values: { threadcreate: 1 } },
      ]),
    );
    expect(profile.samples).toHaveLength(2);
  });

  it('follows the rules of scrapers', async () => {
    names = SIX;
    startWorker('mail');
    for (const query of ['', '?seconds=1']) {
      const { raw } = await served(query);
      expect(SCRAPER_RULES.filter(({ holds }) => !holds(raw)).map(({ title }) => title)).toEqual([]);
    }
  });

  describeGo('go tool pprof', () => {
    it.each(['threadcreate', 'threadcreate?debug=1'])('-top of %s shows each thread', async (path) => {
      names = SIX;
      startWorker('mail');
      const output = await goPprof('-top', `${app.base}/${path}`);
      expect(output).toContain('Type: threadcreate\n');
      const rows = topRows(output);
      const shown = ['(main)', '(V8Worker)', '(mail)', 'startWorker'].map((name) => rows.get(name)?.flat);
      expect(shown).toEqual(['1', '2', '1', '1']);
    });
  });
});
