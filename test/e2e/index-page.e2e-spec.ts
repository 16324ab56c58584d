import { afterEach, describe, expect, it } from '@jest/globals';
import { ProfilerService } from '../../src/index.js';
import { ADAPTERS, closeApps, startApp } from '../support/app.js';
import { checkRow, HEAD, page } from '../support/contract.js';
import { type Answer, request } from '../support/http.js';

const OPEN = { canActivate: () => true };

const CONTRACT = [
  page('/', 'the index'),
  page('/?debug=1', 'parameters change nothing'),
  page('/?/heap', 'a query is not a name'),
  page('/', 'HEAD sends the same headers', HEAD),
  page('/', 'no compression', { headers: { 'accept-encoding': 'gzip, br' } }),
];

describe.each(ADAPTERS)('the index page on %s', (adapter) => {
  afterEach(closeApps);

  it('follows the contract', async () => {
    const { base } = await startApp(adapter);
    for (const row of CONTRACT) await checkRow(base, row);
  });

  it("has Go's title, line and rows in byte order, with relative links", async () => {
    const { base } = await startApp(adapter);
    const { text } = await open(base);
    expect(text).toContain('<title>/debug/pprof/</title>');
    expect(text).toContain('Types of profiles available:');
    expect(rowsOf(text)).toEqual([
      'allocs',
      'block',
      'cmdline',
      'goroutine',
      'goroutineleak',
      'heap',
      'heapsnapshot',
      'mutex',
      'profile',
      'symbol',
      'threadcreate',
      'trace',
    ]);
    const links = [...text.matchAll(/href="([^"]*)"/g)].map(([, href]) => href!);
    expect(links).toEqual(expect.arrayContaining(['cmdline', 'heap?debug=1', 'profile']));
    expect(links.filter((href) => /^(\/|[a-z]+:)/.test(href))).toEqual([]);
    expect(text.endsWith('\n')).toBe(false);
  });

  it('describes each endpoint in a sentence', async () => {
    const { base } = await startApp(adapter);
    const { text } = await open(base);
    const descriptions = [...text.matchAll(/<td><p>([^<]*) </g)].map(([, description]) => description!);
    expect(descriptions).toHaveLength(12);
    expect(descriptions.every((description) => description.length > 20)).toBe(true);
  });

  it('runs no script and loads nothing', async () => {
    const { base } = await startApp(adapter);
    const { text, headers } = await open(base);
    expect(text).not.toMatch(/<script|\son\w+=|<link|<img|<iframe|url\(/i);
    expect(headers['content-security-policy']).toMatch(/^default-src 'none'; style-src 'sha256-[\w+/=]+'; /);
  });

  it('shows commands with the address that the visitor used', async () => {
    const { base, url } = await startApp(adapter);
    const { port } = new URL(url);
    const { text } = await open(base);
    expect(text).toContain(`go tool pprof ${base}/heap<`);
    expect(text).toContain(
      `curl -o trace.out &#39;${base}/trace?seconds=5&#39; &amp;&amp; go tool trace trace.out<`,
    );
    expect(text).toContain('<a href="trace?format=json">for Perfetto</a>');
    expect((await open(base, { host: `localhost:${port}` })).text).toContain(
      `go tool pprof http://localhost:${port}/debug/pprof/profile<`,
    );
  });

  it('shows commands with the global prefix, and with the scheme and host that a proxy forwards', async () => {
    const { url } = await startApp(adapter, {
      pprof: { guards: [OPEN], path: 'p' },
      configure: (app) => app.setGlobalPrefix('api/v1'),
    });
    const headers = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'ops.example' };
    expect((await open(`${url}/api/v1/p`, headers)).text).toContain(
      'go tool pprof https://ops.example/api/v1/p/heap<',
    );
  });

  it.each(['"><script>alert(1)</script>', "x' onload='y", '<b>'])(
    'does not reflect the host %s',
    async (host) => {
      const { base } = await startApp(adapter, { pprof: { guards: [OPEN] } });
      const { text } = await open(base, { host, 'x-forwarded-host': host });
      expect(text).not.toContain(host);
      expect(text).toContain('go tool pprof http://localhost/debug/pprof/heap<');
    },
  );

  it('counts the records of the last reading; opening it reads nothing', async () => {
    const { app, base } = await startApp(adapter);
    const count = async (): Promise<number> =>
      Number(
        /<td class="count">(\d+)<\/td>\s*<td class="name"><a href="heap/.exec((await open(base)).text)![1],
      );
    expect([await count(), await count()]).toEqual([0, 0]);
    await request(`${base}/heap`);
    expect([await count(), await count()]).toEqual([4, 4]);
    expect(app.get(ProfilerService).lookup('heap')!.count()).toBe(4);
  });

  it('opens while a capture runs', async () => {
    const { app, base } = await startApp(adapter);
    app.get(ProfilerService).startCpuProfile();
    expect((await open(base)).status).toBe(200);
    await app.get(ProfilerService).stopCpuProfile();
  });
});

const open = (base: string, headers?: Record<string, string>): Promise<Answer> =>
  request({ base, path: '/' }, { headers });

/** The names in the index's table, in its order. */
function rowsOf(text: string): string[] {
  return [...text.matchAll(/<td class="name"><a href="([\w.-]+)/g)].map(([, name]) => name!);
}
