import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { afterEach, describe, expect, it } from '@jest/globals';
import { ProfilerBusyError, ProfilerService } from '../../src/index.js';
import { DOCUMENTATION } from '../../src/ui/index-page.js';
import { ADAPTERS, closeApps, startApp } from '../support/app.js';
import { until } from '../support/async.js';
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

  it("has Go's title and line, profile and heap first and the rest in byte order, with relative links", async () => {
    const { base } = await startApp(adapter);
    const { text } = await open(base);
    expect(text).toContain('<title>/debug/pprof/</title>');
    expect(text).toContain('Types of profiles available:');
    expect(rowsOf(text)).toEqual([
      'profile',
      'heap',
      'allocs',
      'block',
      'cmdline',
      'goroutine',
      'goroutineleak',
      'heapsnapshot',
      'mutex',
      'symbol',
      'threadcreate',
      'trace',
    ]);
    const links = linksIn(text);
    expect(links).toEqual(expect.arrayContaining(['cmdline', 'heap?debug=1', 'heap?gc=1']));
    expect(links.filter((href) => /^(\/|[a-z]+:)/.test(href))).toEqual([DOCUMENTATION]);
    expect(text.endsWith('\n')).toBe(false);
  });

  it('links to nothing that is refused, whatever the limits are', async () => {
    const { base } = await startApp(adapter, { pprof: { maxSeconds: 5, writeTimeout: 3000 } });
    const links = linksIn((await open(base)).text).filter((href) => href !== DOCUMENTATION);
    expect(links).toEqual(
      expect.arrayContaining(['profile?seconds=2', 'trace?seconds=2', 'block?seconds=2']),
    );
    const replies = await Promise.all(
      links.map((href) => request({ base, path: `/${href.replaceAll('&amp;', '&')}` }, HEAD)),
    );
    expect(replies.filter(({ status }) => status !== 200)).toEqual([]);
  });

  it('describes each endpoint in a sentence', async () => {
    const { base } = await startApp(adapter);
    const { text } = await open(base);
    const descriptions = [...text.matchAll(/<td><p>([^<]*)</g)].map(([, description]) => description!);
    expect(descriptions).toHaveLength(12);
    expect(descriptions.every((description) => description.length > 20)).toBe(true);
  });

  it('offers a window of what is off, and says how to switch it on', async () => {
    const { app, base } = await startApp(adapter);
    const off = await open(base);
    for (const name of ['block', 'goroutineleak', 'mutex'])
      expect(linksIn(off.text)).toContain(`${name}?seconds=10`);
    expect(off.text).toContain('off: set the option blockProfileRate');
    app.get(ProfilerService).setBlockProfileRate(16);
    const on = await open(base);
    expect(linksIn(on.text)).toContain('block');
    expect(linksIn(on.text)).not.toContain('block?seconds=10');
    expect(on.text).toContain('on: one wait in 16');
  });

  it('names what the options switch off', async () => {
    const { base } = await startApp(adapter, {
      pprof: { cmdline: false, endpoints: { symbol: false, heap: true } },
    });
    const { text } = await open(base);
    expect(text).toContain('Switched off by the options of the module: symbol, cmdline.');
    expect(rowsOf(text)).not.toEqual(expect.arrayContaining(['symbol']));
  });

  it('names the service, the process and the samplers', async () => {
    const { base } = await startApp(adapter, {
      pprof: { profileComments: ['commit 1a2b3c'], cpuProfileRate: 250, memProfileRate: 1024 },
    });
    const { text } = await open(base);
    const { name, version } = JSON.parse(await readFile('package.json', 'utf8')) as Record<string, string>;
    expect(text).toContain(`<h1>${name} <span>${version}</span></h1>`);
    const parts = [...text.matchAll(/<li>(.*?)<\/li>/g)].map(([, part]) => part);
    expect(parts).toEqual([
      `host ${hostname()}`,
      `pid ${process.pid}`,
      `Node ${process.version}`,
      expect.stringMatching(/^up \d+ /),
      'commit 1a2b3c',
      'CPU sampler: inspector, 250 Hz',
      'heap sampler: inspector, every 1024 bytes',
    ]);
  });

  it('has the memory and the event loop of the process', async () => {
    const { base } = await startApp(adapter, { pprof: { memProfileRate: 0 } });
    for (const { text } of [await open(base), await open(base)]) {
      expect(text).toMatch(/Event loop<\/dt><dd>(\d|[1-9]\d|100) % busy<small>over the last \d+ /);
      expect(text).toMatch(/Loop delay<\/dt><dd>\d+\.\d ms</);
      for (const term of ['RSS', 'JavaScript heap', 'External memory'])
        expect(text).toMatch(new RegExp(`${term}</dt><dd>\\d+\\.\\d+ [MG]iB`));
      expect(text).toContain('heap sampler: off (memProfileRate is 0');
    }
  });

  it('runs no script and loads nothing', async () => {
    const { base } = await startApp(adapter);
    const { text, headers } = await open(base);
    expect(text).not.toMatch(/<script|\son\w+=|<link(?! rel="icon" href="data:,">)|<img|<iframe|url\(/i);
    expect(headers['content-security-policy']).toMatch(/^default-src 'none'; style-src 'sha256-[\w+/=]+'; /);
  });

  it('shows commands with the address that the visitor used', async () => {
    const { base, url } = await startApp(adapter);
    const { port } = new URL(url);
    const { text } = await open(base);
    expect(commandsIn(text)).toEqual(
      expect.arrayContaining([
        `go tool pprof -http=: '${base}/profile?seconds=10'`,
        `go tool pprof -http=: '${base}/heap?gc=1'`,
        `go tool pprof -http=: '${base}/mutex?seconds=10'`,
        `curl -N -o trace.out '${base}/trace?seconds=5' && go tool trace trace.out`,
      ]),
    );
    expect(linksIn(text)).toContain('trace?seconds=5&amp;format=json');
    const { text: byName } = await open(base, { host: `localhost:${port}` });
    expect(commandsIn(byName)).toContain(
      `go tool pprof -http=: 'http://localhost:${port}/debug/pprof/heap?gc=1'`,
    );
  });

  it('shows commands with the global prefix, and with the scheme, host and path that proxies forward', async () => {
    const { url } = await startApp(adapter, {
      pprof: { guards: [OPEN], path: 'p' },
      configure: (app) => app.setGlobalPrefix('api/v1'),
    });
    const headers = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'ops.example' };
    const heapAt = async (more: Record<string, string>): Promise<string | undefined> => {
      const { text } = await open(`${url}/api/v1/p`, { ...headers, ...more });
      return commandsIn(text).find((command) => command.includes('/heap'));
    };
    expect(await heapAt({})).toBe("go tool pprof -http=: 'https://ops.example/api/v1/p/heap?gc=1'");
    for (const prefix of ['/shop/eu-1', '/shop/eu-1/', '/shop/, /eu-1'])
      expect(await heapAt({ 'x-forwarded-prefix': prefix })).toBe(
        "go tool pprof -http=: 'https://ops.example/shop/eu-1/api/v1/p/heap?gc=1'",
      );
    for (const prefix of [
      '/',
      'shop',
      '//evil.example',
      "/'; reboot;'",
      '/"><b>',
      '/a b',
      '/a?b',
      '/a'.repeat(501),
    ])
      expect(await heapAt({ 'x-forwarded-prefix': prefix })).toBe(
        "go tool pprof -http=: 'https://ops.example/api/v1/p/heap?gc=1'",
      );
  });

  it.each(['"><script>alert(1)</script>', "x' onload='y", '<b>'])(
    'does not reflect the host %s',
    async (host) => {
      const { base } = await startApp(adapter, { pprof: { guards: [OPEN] } });
      const { text } = await open(base, { host, 'x-forwarded-host': host });
      expect(text).not.toContain(host);
      expect(commandsIn(text)).toContain("go tool pprof -http=: 'http://localhost/debug/pprof/heap?gc=1'");
    },
  );

  it('counts the stacks of the last reading; opening it reads nothing', async () => {
    const { app, base } = await startApp(adapter);
    const count = async (): Promise<string> => countsIn((await open(base)).text).heap!;
    expect([await count(), await count()]).toEqual(['–', '–']);
    await request(`${base}/heap`);
    expect([await count(), await count()]).toEqual(['4', '4']);
    expect(app.get(ProfilerService).lookup('heap')!.count()).toBe(4);
    expect(countsIn((await open(base)).text)).toMatchObject({
      profile: '–',
      cmdline: '–',
      symbol: '–',
      trace: '–',
    });
  });

  it('shows a capture over HTTP while it runs, and who asked', async () => {
    const { base, sampling } = await startApp(adapter);
    expect((await open(base)).text).not.toContain('Running now');
    const client = new AbortController();
    const begun = sampling.begun();
    const capture = request(`${base}/profile?seconds=30`, client);
    await begun;
    expect((await open(base)).text).toMatch(
      /Running now: <b>profile<\/b>, requested by [\d.:a-f]*127\.0\.0\.1, started \d+ s ago/,
    );
    client.abort();
    await expect(capture).rejects.toThrow('aborted');
    await until(
      () => open(base),
      ({ text }) => (text.includes('Running now') ? ['the end of the capture'] : []),
    );
  });

  it('shows a capture in code from its start until it is stopped', async () => {
    const { app, base } = await startApp(adapter);
    app.get(ProfilerService).startCpuProfile();
    expect((await open(base)).text).toContain('Running now: <b>profile</b>, requested by code,');
    await app.get(ProfilerService).stopCpuProfile();
    expect((await open(base)).text).not.toContain('Running now');
  });

  it('shows no capture that was refused or has failed', async () => {
    const { app, base } = await startApp(adapter);
    const profiler = app.get(ProfilerService);
    profiler.startCpuProfile();
    expect(() => profiler.startCpuProfile()).toThrow(ProfilerBusyError);
    await expect(profiler.cpuProfile({ seconds: 1 })).rejects.toThrow(ProfilerBusyError);
    expect((await request(`${base}/profile?seconds=1`)).status).toBe(500);
    await profiler.stopCpuProfile();
    expect((await open(base)).text).not.toContain('Running now');
  });

  it("is Go's plain page with ui: false", async () => {
    const { base } = await startApp(adapter, { pprof: { ui: false } });
    for (const row of CONTRACT) await checkRow(base, row);
    const { text, headers } = await open(base);
    expect(text).toMatch(/^<html>\n<head>\n<title>\/debug\/pprof\/<\/title>\n<style>\n\.profile-name{/);
    expect(text).toContain("<tr><td>0</td><td><a href='heap?debug=1'>heap</a></td></tr>\n");
    expect(text).toContain('<a href="goroutine?debug=2">full goroutine stack dump</a>');
    const rows = [...text.matchAll(/<a href='([\w]+)\?debug=1'>/g)].map(([, name]) => name);
    expect(rows).toEqual(rows.toSorted());
    expect(rows).toHaveLength(12);
    expect(headers['content-security-policy']).toMatch(/^default-src 'none'; style-src 'sha256-/);
  });
});

const open = (base: string, headers?: Record<string, string>): Promise<Answer> =>
  request({ base, path: '/' }, { headers });

/** The names in the index's table, in its order. */
function rowsOf(text: string): string[] {
  return [...text.matchAll(/class="name">([\w./-]+)</g)].map(([, name]) => name!);
}

function linksIn(text: string): string[] {
  return [...text.matchAll(/<a [^>]*href="([^"]*)"/g)].map(([, href]) => href!);
}

function commandsIn(text: string): string[] {
  return [...text.matchAll(/<code>(.*?)<\/code>/g)].map(([, command]) =>
    command!.replaceAll('&#39;', "'").replaceAll('&amp;', '&'),
  );
}

/** For each row what it counts. */
function countsIn(text: string): Record<string, string> {
  const counts = [...text.matchAll(/<td class="count[^>]*>(.*?)</g)].map(([, count]) => count!);
  return Object.fromEntries(rowsOf(text).map((name, i) => [name, counts[i]!]));
}
