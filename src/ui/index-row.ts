import { link } from './html.js';

/** A row of the index. */
export interface IndexRow {
  readonly name: string;
  readonly description: string;
  /** Stacks in the last reading; undefined for an endpoint that is no named profile. */
  readonly count: number | undefined;
  /** There was no reading yet. */
  readonly isUnread?: boolean;
  /** Whether `flamegraph?profile=` draws it. */
  readonly flameGraph?: boolean;
  /** Go's `debug=2`. */
  readonly hasDump?: boolean;
  /** It gathers nothing now, except in a window. */
  readonly isOff?: boolean;
  /** Whether it is on, and how to switch it on. */
  readonly status?: string | undefined;
  /** The format that Chrome's DevTools open it in. */
  readonly devToolsFormat?: string | undefined;
  /** How many of the last seconds `past=` can show. */
  readonly pastSeconds?: number | undefined;
}

const FIRST = ['profile', 'heap'];
const TRACE_SECONDS = 5;

/** Labels of endpoints that are files, and no captures for a time. */
const DOWNLOADS: ReadonlyMap<string, string> = new Map([['heapsnapshot', 'download (stops the process)']]);

/** What most incidents begin with comes first, the rest by name. */
export function inOrder(rows: readonly IndexRow[]): IndexRow[] {
  const rank = ({ name }: IndexRow): number => FIRST.indexOf(name) + 1 || FIRST.length + 1;
  return rows.toSorted((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1));
}

/**
 * The links of a row, the most useful first; relative, so that they hold under any prefix.
 *
 * @param seconds length of a capture
 */
export function linksOf(row: IndexRow, seconds: number): string[] {
  const { name, count, isOff, hasDump, devToolsFormat, flameGraph, pastSeconds } = row;
  const isProfile = count !== undefined;
  const links: (string | false | undefined)[] = [
    flameGraph && link(`flamegraph?profile=${encodeURIComponent(name)}`, 'flame graph', ' class="main"'),
    isOff || isCapture(name)
      ? link(`${name}?seconds=${secondsOf(name, seconds)}`, `download ${secondsOf(name, seconds)} s`)
      : link(name, isProfile ? 'download' : (DOWNLOADS.get(name) ?? 'open')),
    pastSeconds !== undefined && link(`${name}?past=${pastSeconds}`, `download the last ${pastSeconds} s`),
    name === 'heap' && link('heap?gc=1', 'after GC'),
    isProfile && link(`${name}?debug=1`, 'text'),
    hasDump && link(`${name}?debug=2`, 'full stack dump'),
    devToolsFormat &&
      link(`${name}?${isProfile ? '' : `seconds=${seconds}&`}format=${devToolsFormat}`, 'for DevTools'),
    name === 'trace' && link(`trace?seconds=${secondsOf(name, seconds)}&format=json`, 'for Perfetto'),
  ];
  return links.filter((one) => typeof one === 'string');
}

/**
 * What opens a row with Go's tools.
 *
 * @param base address of the index, as the visitor used it, with its slash
 * @returns undefined for what they do not read
 */
export function commandOf(
  { name, count, isOff }: IndexRow,
  base: string,
  seconds: number,
): string | undefined {
  if (count === undefined && !isCapture(name)) return undefined;
  const timed = isOff || isCapture(name) ? `?seconds=${secondsOf(name, seconds)}` : '';
  const url = `${base}${name}${name === 'heap' ? '?gc=1' : timed}`;
  const quoted = `'${url.replaceAll("'", '%27')}'`; // the shell is to see one word, whatever the path
  return name === 'trace'
    ? `curl -N -o trace.out ${quoted} && go tool trace trace.out`
    : `go tool pprof -http=: ${quoted}`;
}

/** Endpoints that capture for a time. */
function isCapture(name: string): boolean {
  return name === 'profile' || name === 'trace';
}

function secondsOf(name: string, seconds: number): number {
  return name === 'trace' ? Math.min(TRACE_SECONDS, seconds) : seconds;
}
