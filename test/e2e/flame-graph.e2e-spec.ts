import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { Speedscope } from '../../src/http/speedscope.js';
import { type PprofModuleOptions, ProfilerService } from '../../src/index.js';
import { GO_PROFILES } from '../../src/profiling/profile-registry.js';
import { ADAPTERS, closeApps, startApp, type TestApp } from '../support/app.js';
import { checkRow, HEAD, page, refused, row, TEXTS } from '../support/contract.js';
import { request } from '../support/http.js';

const SCRIPT = { type: 'text/javascript; charset=utf-8', disposition: null };
const SECONDS = [0, -1, 'x', 1.5];

const CONTRACT = [
  page('/flamegraph?profile=heap', 'the flame graph of heap', { text: /<h1>heap<\/h1>/ }),
  page('/flamegraph', 'the CPU profile, unless a profile is named', { text: /<h1>profile<\/h1>/ }),
  page('/flamegraph?profile=trace&seconds=1', 'trace, in the format of trace events', {
    text: /data-source="trace\?seconds=1&amp;format=json"/,
  }),
  page('/flamegraph?profile=heap', 'HEAD sends the same headers', HEAD),
  refused('/flamegraph?profile=nothing', 404, TEXTS.unknown),
  refused('/flamegraph?profile=cmdline', 404, TEXTS.unknown),
  ...SECONDS.map((seconds) => refused(`/flamegraph?profile=heap&seconds=${seconds}`, 400, TEXTS.badSeconds)),
  refused('/flamegraph?profile=heap&seconds=301', 400, TEXTS.tooLong(300)),
  row('/flamegraph/page.js', 200, 'the script of the page', { ...SCRIPT, text: /await fetch/ }),
  page('/flamegraph/index.html', 'speedscope', { text: /<script src="speedscope/ }),
  ...['', 'x.js', 'package.json', 'LICENSE', 'a/page.js', '..%2findex.html', '%2e%2e/index.html'].map(
    (name) => refused(`/flamegraph/${name}`, 404, TEXTS.unknown),
  ),
];

describe.each(ADAPTERS)('the flame graph page on %s', (adapter) => {
  describe('with default options', () => {
    let app: TestApp;
    beforeAll(async () => {
      app = await startApp(adapter);
    });
    afterAll(closeApps);

    it.each(CONTRACT)('$title', (one) => expect(checkRow(app.base, one)).resolves.toBeUndefined());

    it('speedscope finds all files that its page names', async () => {
      const { text } = await request(`${app.base}/flamegraph/index.html`);
      const files = [...text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, file]) => file!);
      expect(files.length).toBeGreaterThan(1);
      for (const file of files)
        expect(await request(`${app.base}/flamegraph/${file}`)).toMatchObject({ status: 200 });
    });

    it('names a source that speedscope reads for each profile that is on', async () => {
      for (const { name, isOff } of app.app.get(ProfilerService).profiles()) {
        const { text } = await request(`${app.base}/flamegraph?profile=${name}`);
        const source = / data-source="([^"]+)"/.exec(text)?.[1]?.replaceAll('&amp;', '&');
        expect([name, source === undefined]).toEqual([name, isOff]);
        if (source === undefined) continue;
        const { headers, text: json } = await request(`${app.base}/${source}`);
        expect(headers['content-disposition']).toBe(`attachment; filename="${name}.speedscope.json"`);
        expect(JSON.parse(json)).toMatchObject({ name, profiles: expect.any(Array) });
      }
    });

    it('says how to switch on a profile that is off, and offers windows of it', async () => {
      const { text } = await request(`${app.base}/flamegraph?profile=block`);
      expect(text).toMatch(/<p>off: set the option blockProfileRate/);
      expect(choicesOf(text)).toEqual(['seconds=5', 'seconds=10', 'seconds=30']);
    });

    it('has neither inline scripts nor handlers, and its policy allows no other source', async () => {
      const { text, headers } = await request(`${app.base}/flamegraph?profile=heap`);
      expect(text).not.toMatch(/<script(?! src="flamegraph\/page.js">)|\son\w+=|style="/i);
      expect(headers['content-security-policy']).toMatch(
        /^default-src 'none'; style-src 'sha256-[\w+/]+=*'; script-src 'self'; connect-src 'self'; frame-src 'self'; img-src data:; base-uri/,
      );
    });
  });

  describe('with limits', () => {
    afterEach(closeApps);

    it.each<[PprofModuleOptions, string[]]>([
      [{ maxSeconds: 7 }, ['seconds=5']],
      [{ maxSeconds: 3 }, ['seconds=3']],
      [{ writeTimeout: 10_000 }, ['seconds=5']],
      [{ writeTimeout: 10_001 }, ['seconds=5', 'seconds=10']],
    ])('of %j, it offers captures that the service allows: %j', async (options, expected) => {
      const { base } = await startApp(adapter, { pprof: options });
      const { text } = await request(`${base}/flamegraph`);
      expect(choicesOf(text)).toEqual(expected);
    });

    it.each<[string, PprofModuleOptions, boolean]>([
      ['endpoints: { flamegraph: false }', { endpoints: { flamegraph: false } }, true],
      ['ui: false', { ui: false }, true],
      ['the package speedscope missing', {}, false],
    ])(
      'returns 404 with %s, files included, and the index does not link to it',
      async (_, pprof, isInstalled) => {
        const speedscope = { isInstalled, file: () => Promise.resolve(undefined) };
        const configure = (app: INestApplication): unknown => Object.assign(app.get(Speedscope), speedscope);
        const { base } = await startApp(adapter, { pprof, configure });
        for (const path of ['/flamegraph', '/flamegraph/page.js'])
          await checkRow(base, refused(path, 404, TEXTS.unknown));
        const { text } = await request(`${base}/`);
        expect(text).not.toContain('flamegraph?');
        expect(text.includes('npm install speedscope')).toBe(!isInstalled);
      },
    );

    it('the index links to the flame graphs of profile, trace and each named profile', async () => {
      const { base } = await startApp(adapter);
      const { text } = await request(`${base}/`);
      const links = [...text.matchAll(/href="flamegraph\?profile=(\w+)"/g)].map(([, name]) => name);
      expect(links.toSorted()).toEqual([...GO_PROFILES, 'profile', 'trace'].toSorted());
    });

    it('draws a custom profile, whatever its name is', async () => {
      const { app, base } = await startApp(adapter);
      for (const name of ['example.com/db', 'flamegraph/x']) {
        app.get(ProfilerService).newProfile(name).add({});
        const { text } = await request(`${base}/flamegraph?profile=${encodeURIComponent(name)}`);
        expect(text).toContain(` data-source="${name}?format=speedscope"`);
        expect(await request(`${base}/${name}?format=speedscope`)).toMatchObject({ status: 200 });
      }
    });

    it('offers the seconds that a flight recorder has', async () => {
      const recorder = { warm: 'always', flightRecorder: { seconds: 20 } } as const;
      const { base } = await startApp(adapter, { pprof: recorder });
      const { text } = await request(`${base}/flamegraph?past=20`);
      expect(text).toContain(
        '<a aria-current="true" href="flamegraph?profile=profile&amp;past=20">Last 20 s</a>',
      );
      expect(text).toContain('data-source="profile?past=20&amp;format=speedscope"');
    });

    it('returns 404 for a profile that is switched off', async () => {
      const { base } = await startApp(adapter, { pprof: { endpoints: { heap: false, profile: false } } });
      for (const profile of ['heap', 'profile'])
        await checkRow(base, refused(`/flamegraph?profile=${profile}`, 404, TEXTS.unknown));
    });
  });
});

function choicesOf(text: string): string[] {
  return [...text.matchAll(/href="flamegraph\?profile=\w+&amp;(seconds=\d+)"/g)].map(([, query]) => query!);
}
