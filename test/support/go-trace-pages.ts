import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { profileFile } from './go.js';
import { request } from './http.js';

/**
 * Serves the pages of `go tool trace` while work is done.
 *
 * @param work called with what fetches a page by its path
 */
export async function withTracePages<T>(
  go: string,
  bytes: Uint8Array,
  work: (page: (path: string) => Promise<string>) => Promise<T>,
): Promise<T> {
  // In a group of its own, since `go` starts another process; `true` is the browser.
  const child = spawn(go, ['tool', 'trace', '-http=127.0.0.1:0', profileFile('trace.out', bytes)], {
    env: { ...process.env, BROWSER: 'true' },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const closed = once(child, 'close');
  try {
    const address = await listening(child.stderr, closed);
    return await work(async (path) => {
      const { status, text } = await request(address + path);
      if (status !== 200) throw new Error(`${path}: ${status} ${text}`);
      return text;
    });
  } finally {
    process.kill(-child.pid!, 'SIGKILL');
    await closed;
  }
}

function listening(stderr: NodeJS.ReadableStream, closed: Promise<unknown>): Promise<string> {
  let said = '';
  return new Promise((resolve, reject) => {
    stderr.setEncoding('utf8').on('data', (chunk: string) => {
      said += chunk;
      const [, address] = /listening on (http:\S+)/.exec(said) ?? [];
      if (address) resolve(address);
    });
    void closed.then(() => reject(new Error(`go tool trace ended: ${said}`)));
  });
}

/** A row of `/usertasks` or `/userregions`. */
export interface PageRow {
  readonly name: string;
  readonly count: number;
  readonly link: string;
}

export function rowsOf(page: string): PageRow[] {
  const rows = page.matchAll(/<td>(.*)<\/td>\s*<td><a href="([^"]*)">(\d+)<\/a><\/td>/g);
  return Array.from(rows, ([, name, link, count]) => ({
    // Go 1.19 has the place of a region behind its name, and later versions also put it in quotes.
    name: textOf(name!.split('<br>')[0]!).replace(/^"(.*)"$/, '$1'),
    count: Number(count),
    link: textOf(link!),
  }));
}

/** The rows of `/goroutines`. */
export function goroutineGroups(page: string): PageRow[] {
  const rows = page.matchAll(/<a href="(\/goroutine\?[^"]*)">(.*?)<\/a>(?: N=|<\/code><\/td>\s*<td>)(\d+)/g);
  return Array.from(rows, ([, link, name, count]) => ({
    name: textOf(name!),
    count: Number(count),
    link: textOf(link!),
  }));
}

/** The rows of the first table of a page of goroutines or regions, by the heading of the column. */
export function detailsOf(page: string): Record<string, string>[] {
  const [, table] = /<table class="details">(.*?)<\/table>/s.exec(page) ?? [];
  if (table === undefined) throw new Error(`no table of details: ${page}`);
  const headings = cellsOf(table, 'th');
  return table
    .split('<tr>')
    .map((row) => cellsOf(row, 'td'))
    .filter((cells) => cells.length === headings.length)
    .map((cells) => Object.fromEntries(cells.map((cell, i) => [headings[i]!, cell])));
}

function cellsOf(html: string, tag: 'td' | 'th'): string[] {
  return Array.from(html.matchAll(new RegExp(`<${tag}[ >].*?</${tag}>`, 'gs')), ([cell]) =>
    textOf(cell).trim(),
  );
}

function textOf(html: string): string {
  return html
    .replaceAll(/<[^>]*>/g, '')
    .replaceAll(/&#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code)))
    .replaceAll('&amp;', '&')
    .replaceAll('&nbsp;', ' ');
}

const NANOS: Readonly<Record<string, number>> = { ns: 1, µs: 1e3, ms: 1e6, s: 1e9, m: 60e9 };

/** A duration as Go writes it, such as `1.5ms` or `1m3s`, in ns. */
export function nanosOf(duration: string): number {
  const parts = duration.matchAll(/([\d.]+)(ns|µs|ms|s|m)/g);
  return Array.from(parts, ([, number, unit]) => Number(number) * NANOS[unit!]!).reduce((a, b) => a + b, 0);
}
