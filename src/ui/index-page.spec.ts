import { describe, expect, it } from '@jest/globals';
import { INDEX_CSP, indexPage } from './index-page.js';

const ROWS = [
  { name: 'profile', description: 'CPU', count: undefined },
  { name: 'heap', description: 'Memory', count: 3 },
];

describe('indexPage', () => {
  it("has Go's line and rows in byte order, with relative links to text and download", () => {
    const page = indexPage('http://localhost:3000/debug/pprof/?x=1', ROWS);
    expect(page).toContain('Types of profiles available:');
    expect(page.indexOf('>heap<')).toBeLessThan(page.indexOf('>profile<'));
    expect(page).toContain('href="heap?debug=1"');
    expect(page).toContain('href="heap"');
    expect(page).toContain('go tool pprof http://localhost:3000/debug/pprof/profile');
  });

  it('escapes what it is given', () => {
    const page = indexPage('http://x/"><script>alert(1)</script>', [
      { name: '<b>', description: '"<i>&\'', count: undefined },
    ]);
    expect(page).not.toMatch(/<script|<b>|<i>/);
    expect(page).toContain('&quot;&lt;i&gt;&amp;&#39;');
  });

  it('has a policy that allows its one style sheet and nothing else', () => {
    const page = indexPage('http://x/', ROWS);
    expect(page).not.toMatch(/<script|style="|<img|https?:\/\/(?!x)/);
    expect(INDEX_CSP).toMatch(/^default-src 'none'; style-src 'sha256-[\w+/]+=*';/);
  });
});
