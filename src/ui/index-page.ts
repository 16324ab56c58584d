import { createHash } from 'node:crypto';
import { INDEX_STYLE } from './index-style.js';

/** A row of the index. */
export interface IndexRow {
  readonly name: string;
  readonly description: string;
  /** Records at the last reading; undefined for what is no named profile, which Go shows as 0. */
  readonly count: number | undefined;
  /** Go's `debug=2`. */
  readonly hasDump?: boolean;
  /** Whether it is on, and how to switch it on. */
  readonly status?: string | undefined;
  /** The format that Chrome's DevTools open it in. */
  readonly devToolsFormat?: string | undefined;
}

const STYLE_HASH = createHash('sha256').update(INDEX_STYLE).digest('base64');

/** The page loads nothing, runs nothing and sends nothing; its one style sheet is known by its hash. */
export const INDEX_CSP = `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

/**
 * The index: Go's rows and relative links, what a person wants to copy, and a few facts of the process.
 *
 * @param url address of the page as the visitor used it
 */
export function indexPage(url: string, rows: readonly IndexRow[]): string {
  const base = url.split('?')[0]!.replace(/\/?$/, '/');
  const sorted = [...rows].sort((a, b) => (a.name < b.name ? -1 : 1));
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>/debug/pprof/</title>
<style>${INDEX_STYLE}</style>
</head>
<body>
<main>
<h1>/debug/pprof/</h1>
<dl class="facts">${Object.entries(processFacts()).map(fact).join('')}</dl>
<p>Types of profiles available:</p>
<table>
<thead><tr><th scope="col">Count</th><th scope="col">Profile</th><th scope="col">What it shows</th></tr></thead>
<tbody>
${sorted.map((row) => rowOf(row, base)).join('\n')}
</tbody>
</table>
<p class="note">Counts are those of the last reading. Opening this page captures nothing.</p>
</main>
</body>
</html>`;
}

function rowOf(
  { name, description, count, status, hasDump, devToolsFormat }: IndexRow,
  base: string,
): string {
  const profile = count !== undefined;
  const command = COMMANDS.get(profile ? 'profile' : name)?.(base + name);
  const links = [
    ...(profile ? [link(`${name}?debug=1`, 'text')] : []),
    ...(hasDump ? [link(`${name}?debug=2`, 'full stack dump')] : []),
    link(name, command ? 'download' : 'open'),
    ...(devToolsFormat ? [link(`${name}?format=${devToolsFormat}`, 'for DevTools')] : []),
    ...(name === 'trace' ? [link('trace?format=json', 'for Perfetto')] : []),
  ];
  return `<tr>
<td class="count">${count ?? 0}</td>
<td class="name">${link(name, name)}</td>
<td><p>${escaped(description)} <span class="links">${links.join(' ')}</span></p>${
    status === undefined ? '' : `<p class="status">${escaped(status)}</p>`
  }${command ? `<code>${escaped(command)}</code>` : ''}</td>
</tr>`;
}

/** How Go's tools open an address. */
const COMMANDS: ReadonlyMap<string, (url: string) => string> = new Map([
  ['profile', (url) => `go tool pprof ${url}`],
  ['trace', (url) => `curl -o trace.out '${url}?seconds=5' && go tool trace trace.out`],
]);

function processFacts(): Record<string, string> {
  const { utilization } = performance.eventLoopUtilization();
  return {
    pid: String(process.pid),
    node: process.version,
    uptime: duration(process.uptime()),
    'heap used': `${(process.memoryUsage().heapUsed / 2 ** 20).toFixed(1)} MiB`,
    'event-loop utilization': `${(utilization * 100).toFixed(1)} %`,
  };
}

function fact([term, value]: [string, string]): string {
  return `<div><dt>${escaped(term)}</dt><dd>${escaped(value)}</dd></div>`;
}

function duration(seconds: number): string {
  const units = { d: 86_400, h: 3600, min: 60, s: 1 };
  const parts = Object.entries(units).map(([unit, length], i, all) => {
    const whole = i === 0 ? seconds / length : (seconds % all[i - 1]![1]) / length;
    return [Math.floor(whole), unit] as const;
  });
  const first = parts.findIndex(([value]) => value > 0);
  return first < 0
    ? '0 s'
    : parts
        .slice(first, first + 2)
        .map(([value, unit]) => `${value} ${unit}`)
        .join(' ');
}

function link(href: string, label: string): string {
  return `<a href="${escaped(href)}">${escaped(label)}</a>`;
}

function escaped(text: string): string {
  const entities: Record<string, string> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return text.replace(/[&<>"']/g, (character) => entities[character]!);
}
