import { describe, expect, it } from '@jest/globals';
import { GO_INDEX_CSP, goIndexPage } from './go-index-page.js';
import type { IndexFacts } from './index-facts.js';
import { DOCUMENTATION, INDEX_CSP, type IndexContent, indexPage } from './index-page.js';
import type { IndexRow } from './index-row.js';

const ROWS: IndexRow[] = [
  { name: 'cmdline', description: 'Arguments', count: undefined },
  { name: 'heap', description: 'Memory', count: 3, flameGraph: true, devToolsFormat: 'heapprofile' },
  { name: 'block', description: 'Waits', count: 0, isOff: true, status: 'off: set it' },
  { name: 'trace', description: 'Events', count: undefined },
  { name: 'profile', description: 'CPU', count: undefined, flameGraph: true, pastSeconds: 60 },
];

const FACTS: IndexFacts = {
  service: { name: 'shop-api', version: '2.7.1' },
  comments: ['commit 1a2b3c'],
  host: 'web-1',
  pid: 4242,
  node: 'v22.0.0',
  uptimeSeconds: 93_784,
  cpuSampler: 'inspector, 100 Hz',
  heapSampler: 'pprof, every 524288 bytes',
  memory: {
    rss: 2 ** 31,
    heapUsed: 2 ** 20,
    heapTotal: 2 ** 21,
    external: 3 * 2 ** 20,
    arrayBuffers: 2 ** 19,
  },
  loop: { utilization: 0.256, seconds: 59.4, delayMs: 1.26 },
};

const pageOf = (content: Partial<IndexContent> = {}): string =>
  indexPage({
    url: 'http://localhost:3000/debug/pprof/?x=1',
    rows: ROWS,
    switchedOff: [],
    seconds: 10,
    running: [],
    facts: FACTS,
    lacksSpeedscope: false,
    ...content,
  });

const linksOf = (page: string): string[] =>
  [...page.matchAll(/<a[^>]* href="([^"]*)">([^<]*)/g)].map(([, href, label]) => `${label}: ${href}`);

const commandsOf = (page: string): string[] =>
  [...page.matchAll(/<code>(.*?)<\/code>/g)].map(([, command]) => command!.replaceAll('&#39;', "'"));

describe('indexPage', () => {
  it('has profile and heap first and the rest by name', () => {
    expect([...pageOf().matchAll(/class="name">(\w+)/g)].map(([, name]) => name)).toEqual([
      'profile',
      'heap',
      'block',
      'cmdline',
      'trace',
    ]);
  });

  it('links to every form of a profile, the flame graph first, and to a window of what is off', () => {
    expect(linksOf(pageOf())).toEqual([
      `Documentation: ${DOCUMENTATION}`,
      'flame graph: flamegraph?profile=profile',
      'download 10 s: profile?seconds=10',
      'download the last 60 s: profile?past=60',
      'flame graph: flamegraph?profile=heap',
      'download: heap',
      'after GC: heap?gc=1',
      'text: heap?debug=1',
      'for DevTools: heap?format=heapprofile',
      'download 10 s: block?seconds=10',
      'text: block?debug=1',
      'open: cmdline',
      'download 5 s: trace?seconds=5',
      'for Perfetto: trace?seconds=5&amp;format=json',
    ]);
  });

  it('has a command for each profile', () => {
    const base = 'http://localhost:3000/debug/pprof';
    expect(commandsOf(pageOf({ seconds: 3 }))).toEqual([
      `go tool pprof -http=: '${base}/profile?seconds=3'`,
      `go tool pprof -http=: '${base}/heap?gc=1'`,
      `go tool pprof -http=: '${base}/block?seconds=3'`,
      `curl -N -o trace.out '${base}/trace?seconds=3' &amp;&amp; go tool trace trace.out`,
    ]);
  });

  it('has commands in which no path ends the quotes', () => {
    const [command] = commandsOf(pageOf({ url: "http://x/';reboot;'/pprof/" }));
    expect(command).toBe("go tool pprof -http=: 'http://x/%27;reboot;%27/pprof/profile?seconds=10'");
  });

  it('has a dash where there is no count, and says what is counted', () => {
    const page = pageOf();
    expect(page).toContain('Stacks in the last reading');
    expect([...page.matchAll(/<td class="count[^>]*>(.*?)</g)].map(([, count]) => count)).toEqual([
      '–',
      '3',
      '0',
      '–',
      '–',
    ]);
  });

  it('names the service and the process', () => {
    const page = pageOf();
    expect(page).toContain('<h1>shop-api <span>2.7.1</span></h1>');
    expect([...page.matchAll(/<li>(.*?)<\/li>/g)].map(([, part]) => part)).toEqual([
      'host web-1',
      'pid 4242',
      'Node v22.0.0',
      'up 1 d 2 h',
      'commit 1a2b3c',
      'CPU sampler: inspector, 100 Hz',
      'heap sampler: pprof, every 524288 bytes',
    ]);
    expect(pageOf({ facts: { ...FACTS, service: undefined } })).toContain('<h1>/debug/pprof/</h1>');
  });

  it('has the memory and the event loop of the process', () => {
    const facts = [...pageOf().matchAll(/<dt>(.*?)<\/dt><dd>(.*?)<\/dd>/g)].map(([, term, value]) =>
      `${term}: ${value!.replace(/<\/?small>/g, ' ')}`.trim(),
    );
    expect(facts).toEqual([
      'Event loop: 26 % busy over the last 59 s',
      'Loop delay: 1.3 ms one timer, just now',
      'RSS: 2.00 GiB',
      'JavaScript heap: 1.0 MiB of 2.0 MiB',
      'External memory: 3.0 MiB 0.5 MiB in ArrayBuffers',
    ]);
  });

  it('shows captures in progress and what is switched off', () => {
    const running = [{ profile: 'profile', peer: '10.0.0.7', seconds: 12.9 }];
    const page = pageOf({ running, switchedOff: ['symbol', 'threadcreate'] });
    expect(page).toContain('Running now: <b>profile</b>, requested by 10.0.0.7, started 12 s ago');
    expect(page).toContain('Switched off by the options of the module: symbol, threadcreate.');
    expect(page).toContain('<p class="status">off: set it</p>');
    expect(pageOf()).not.toMatch(/Running now|Switched off/);
  });

  it('escapes what it is given', () => {
    const evil = '"><script>alert(1)</script>';
    const page = pageOf({
      url: `http://x/${evil}`,
      rows: [{ name: '<b>', description: '"<i>&\'', count: 1, flameGraph: true }],
      switchedOff: ['<i>'],
      running: [{ profile: '<i>', peer: '<i>', seconds: 1 }],
      facts: { ...FACTS, service: { name: evil, version: evil }, comments: [evil], host: evil },
    });
    expect(page).not.toMatch(/<script|<i>|="[^"]*<b>/);
    expect(page).toContain('&quot;&lt;i&gt;&amp;&#39;');
    expect(page).toContain('href="flamegraph?profile=%3Cb%3E"');
  });

  it('has a policy that allows its one style sheet and nothing else', () => {
    expect(pageOf()).not.toMatch(/<script|style="|<img|url\(/);
    expect(INDEX_CSP).toMatch(/^default-src 'none'; style-src 'sha256-[\w+/]+=*';/);
  });
});

describe('goIndexPage', () => {
  it("is Go's page, letter by letter", () => {
    expect(goIndexPage([ROWS[1]!, ROWS[0]!])).toBe(`<html>
<head>
<title>/debug/pprof/</title>
<style>
.profile-name{
	display:inline-block;
	width:6rem;
}
</style>
</head>
<body>
/debug/pprof/
<br>
<p>Set debug=1 as a query parameter to export in legacy text format</p>
<br>
Types of profiles available:
<table>
<thead><td>Count</td><td>Profile</td></thead>
<tr><td>0</td><td><a href='cmdline?debug=1'>cmdline</a></td></tr>
<tr><td>3</td><td><a href='heap?debug=1'>heap</a></td></tr>
</table>
<a href="goroutine?debug=2">full goroutine stack dump</a>
<br>
<p>
Profile Descriptions:
<ul>
<li><div class=profile-name>cmdline: </div> Arguments</li>
<li><div class=profile-name>heap: </div> Memory</li>
</ul>
</p>
</body>
</html>`);
    expect(GO_INDEX_CSP).toMatch(/^default-src 'none'; style-src 'sha256-[\w+/]+=*';/);
    expect(GO_INDEX_CSP).not.toBe(INDEX_CSP);
  });
});
