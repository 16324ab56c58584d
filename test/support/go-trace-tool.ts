import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { profileFile } from './go.js';
import { describe } from '@jest/globals';
import { DecodedProfile, describeWith } from './process.js';

/** Debian's backports have a newer Go beside the one on the `PATH`. */
const NEWER_GO = '/usr/lib/go-1.23/bin/go';

/** Commands of each Go that is there. */
export const gos = ['go', NEWER_GO].filter((go) => spawnSync(go, ['version']).status === 0);

/** `describe` with each Go that is there: its command. Traces go through the readers of both formats that way. */
export function describeGoTrace(title: string, body: (go: string) => void): void {
  if (gos.length === 0) describeWith('go', ['version'])(title, () => {});
  for (const go of gos) {
    describe(`${title} (${go})`, () => {
      body(go);
    });
  }
}

/** The pages that show a whole trace, and what the timeline draws. */
export const PAGES = [
  '',
  'trace',
  'jsontrace',
  'goroutines',
  'usertasks',
  'userregions',
  'mmu',
  'io?raw=1',
  'block?raw=1',
  'syscall?raw=1',
  'sched?raw=1',
] as const;

/** Goroutines of one function, or tasks or regions of one name. */
export interface Group {
  /** Empty: of what has none, such as goroutines that never ran. */
  readonly name: string;
  readonly count: number;
  /** Its own page. */
  readonly page: string;
}

/** What a goroutine did, all in all or within a region: ms. */
export interface Times {
  readonly total: number;
  readonly running: number;
  readonly network: number;
  readonly sync: number;
  readonly syscall: number;
  /** Could run, and did not. */
  readonly runnable: number;
  /** Go 1.19 tells none of this; it is what is left of the total there. */
  readonly sleep: number;
}

/** Both Gos' words for them. */
const COLUMNS: Readonly<Record<string, keyof Times>> = {
  Total: 'total',
  Execution: 'running',
  'Execution time': 'running',
  'Network wait': 'network',
  'Block time (network)': 'network',
  'Sync block': 'sync',
  'Block time (sync)': 'sync',
  'Blocking syscall': 'syscall',
  'Block time (syscall)': 'syscall',
  'Scheduler wait': 'runnable',
  'Sched wait time': 'runnable',
  'Block time (sleep)': 'sleep',
};

const MS_IN: Readonly<Record<string, number>> = {
  s: 1000,
  ms: 1,
  µs: 1e-3,
  ns: 1e-6,
  m: 60_000,
  h: 3_600_000,
};

let files = 0;

/** `go tool trace` at work on a trace, with its pages as texts. */
export class GoTraceTool {
  private constructor(
    private readonly go: string,
    private readonly file: string,
    private readonly child: ChildProcess,
    private readonly url: string,
    private readonly said: () => string,
  ) {}

  /** @throws Error with what Go said if it cannot read the trace */
  static async open(go: string, trace: Uint8Array): Promise<GoTraceTool> {
    const file = profileFile(`${process.pid}-${files++}.trace`, trace);
    const child = spawn(go, ['tool', 'trace', '-http=127.0.0.1:0', file], {
      // The browser that it opens.
      env: { ...process.env, BROWSER: 'true' },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    }
    while (!output.includes('listening on')) {
      const [code] = (await Promise.race([once(child.stderr, 'data'), once(child, 'close')])) as unknown[];
      if (typeof code === 'number') throw new Error(`${go} tool trace: ${code}\n${output}`);
    }
    const [url] = /http:\/\/\S+/.exec(output)!;
    return new GoTraceTool(go, file, child, url, () => output);
  }

  /** @throws Error with what Go said if a page fails */
  async page(path: string): Promise<string> {
    try {
      const answer = await fetch(`${this.url}/${path}`);
      const text = await answer.text();
      if (answer.status === 200) return text;
      throw new Error(`${answer.status} ${text}`);
    } catch (error) {
      throw new Error(`${path}: ${error}\n${this.said()}`, { cause: error });
    }
  }

  /** One of the four that `-pprof=` prints; times are ns. */
  async profile(kind: 'net' | 'sync' | 'syscall' | 'sched'): Promise<DecodedProfile> {
    const child = spawn(this.go, ['tool', 'trace', `-pprof=${kind}`, this.file], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const chunks: Buffer[] = [];
    let errors = '';
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
    const [code] = (await once(child, 'close')) as [number | null];
    if (code !== 0) throw new Error(`${this.go} tool trace -pprof=${kind}: ${code}\n${errors}`);
    return new DecodedProfile(Buffer.concat(chunks));
  }

  goroutines(): Promise<Group[]> {
    return this.groups('goroutines');
  }

  tasks(): Promise<Group[]> {
    return this.groups('usertasks');
  }

  /** By name and the place where they begin. */
  regions(): Promise<Group[]> {
    return this.groups('userregions');
  }

  /** For each goroutine of a group of them, or each region of a group of regions. */
  async times({ page }: Group): Promise<Times[]> {
    const [table] = /<table class="details">[^]*?<\/table>/.exec(await this.page(page))!;
    const [head, ...rows] = table.split('<tr>').slice(1);
    const names = cells('th', head!);
    return rows.map((row) => {
      const times = { total: 0, running: 0, network: 0, sync: 0, syscall: 0, runnable: 0, sleep: 0 };
      cells('td', row).forEach((cell, i) => {
        const column = COLUMNS[names[i]!];
        if (column) times[column] = milliseconds(cell);
      });
      const { total, running, network, sync, syscall, runnable } = times;
      times.sleep ||= total - running - network - sync - syscall - runnable;
      return times;
    });
  }

  /** Of each task of a group, in ms. */
  async durations({ page }: Group): Promise<number[]> {
    const rows = (await this.page(page)).matchAll(/<tr class="first">[^]*?<td class="elapsed">([^<]*)</g);
    return [...rows].map(([, elapsed]) => milliseconds(elapsed!));
  }

  async close(): Promise<void> {
    const closed = once(this.child, 'close');
    // `go tool` runs the tool in a process of its own.
    process.kill(-this.child.pid!, 'SIGKILL');
    await closed;
  }

  private async groups(page: string): Promise<Group[]> {
    const html = await this.page(page);
    if (page === 'goroutines' && html.includes('Goroutines: <br>')) {
      const lines = html.matchAll(/<a href="\/([^"]*)">([^]*?)<\/a> N=(\d+)/g);
      return [...lines].map(([, href, name, count]) => ({
        name: plain(name!),
        count: Number(count),
        page: plain(href!),
      }));
    }
    const rows = html.matchAll(/<tr>\s*<td>([^]*?)<\/td>\s*<td>([^]*?)<\/td>/g);
    return [...rows].map(([, label, number]) => ({
      name: plain(label!.replace(/<br>[^]*/, '')).replace(/^"([^]*)"$/, '$1'),
      count: Number(plain(number!)),
      page: plain(/href="\/([^"]*)"/.exec(label! + number!)![1]!),
    }));
  }
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&#34;': '"',
  '&#39;': "'",
  '&lt;': '<',
  '&gt;': '>',
  '&amp;': '&',
  '&#43;': '+',
  '&nbsp;': ' ',
};

function plain(html: string): string {
  return html
    .replaceAll(/<[^>]*>/g, '')
    .replaceAll(/&[#\w]+;/g, (entity) => ENTITIES[entity] ?? entity)
    .trim();
}

function cells(tag: 'th' | 'td', row: string): string[] {
  return [...row.matchAll(new RegExp(`<${tag}[^>]*>([^]*?)</${tag}>`, 'g'))].map(([, cell]) => plain(cell!));
}

/** `1m2.5s` and the like. */
function milliseconds(text: string): number {
  const parts = text.matchAll(/([\d.]+)(ms|µs|ns|s|m|h)/g);
  return [...parts].reduce((sum, [, amount, unit]) => sum + Number(amount) * MS_IN[unit!]!, 0);
}
