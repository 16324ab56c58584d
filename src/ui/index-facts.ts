import { escaped } from './html.js';

/** What the index says of the process. */
export interface IndexFacts {
  /** The application's package.json, if there is one with a name. */
  readonly service: { readonly name: string; readonly version: string | undefined } | undefined;
  /** The option `profileComments`. */
  readonly comments: readonly string[];
  readonly host: string;
  readonly pid: number;
  /** Version of Node. */
  readonly node: string;
  readonly uptimeSeconds: number;
  /** What samples. */
  readonly cpuSampler: string;
  readonly heapSampler: string;
  /** Bytes. */
  readonly memory: {
    readonly rss: number;
    readonly heapUsed: number;
    readonly heapTotal: number;
    readonly external: number;
    readonly arrayBuffers: number;
  };
  readonly loop: {
    /** Share of the time that the event loop was busy, 0 to 1, and of how many seconds. */
    readonly utilization: number;
    readonly seconds: number;
    /** How late a timer was just now, in ms. */
    readonly delayMs: number;
  };
}

/** A capture in progress. */
export interface RunningRow {
  readonly profile: string;
  /** Who asked: an address, or `code`. */
  readonly peer: string;
  /** How long it has been running. */
  readonly seconds: number;
}

/** Which process it is. */
export function identity(facts: IndexFacts): string {
  const { name = '/debug/pprof/', version } = facts.service ?? {};
  const parts = [
    `host ${facts.host}`,
    `pid ${facts.pid}`,
    `Node ${facts.node}`,
    `up ${duration(facts.uptimeSeconds)}`,
    ...facts.comments,
    `CPU sampler: ${facts.cpuSampler}`,
    `heap sampler: ${facts.heapSampler}`,
  ];
  return `<h1>${escaped(name)}${version === undefined ? '' : ` <span>${escaped(version)}</span>`}</h1>
<ul class="identity">${parts.map((part) => `<li>${escaped(part)}</li>`).join('')}</ul>`;
}

/** How it is doing. */
export function vitals({ memory, loop }: IndexFacts): string {
  return `<dl class="facts">${[
    fact(
      'Event loop',
      `${(loop.utilization * 100).toFixed(0)} % busy`,
      `over the last ${duration(loop.seconds)}`,
    ),
    fact('Loop delay', `${loop.delayMs.toFixed(1)} ms`, 'one timer, just now'),
    fact('RSS', bytes(memory.rss)),
    fact('JavaScript heap', bytes(memory.heapUsed), `of ${bytes(memory.heapTotal)}`),
    fact('External memory', bytes(memory.external), `${bytes(memory.arrayBuffers)} in ArrayBuffers`),
  ].join('')}</dl>`;
}

/** Captures in progress: why another one may be refused, and what slows the process. */
export function runningNow(captures: readonly RunningRow[]): string {
  const rows = captures.map(
    ({ profile, peer, seconds }) =>
      `<p class="running">Running now: <b>${escaped(profile)}</b>, requested by ${escaped(peer)}, started ${duration(seconds)} ago</p>`,
  );
  return rows.join('\n');
}

function fact(term: string, value: string, detail = ''): string {
  const small = detail && `<small>${escaped(detail)}</small>`;
  return `<div><dt>${escaped(term)}</dt><dd>${escaped(value)}${small}</dd></div>`;
}

function bytes(count: number): string {
  const mebibytes = count / 2 ** 20;
  return mebibytes < 1024 ? `${mebibytes.toFixed(1)} MiB` : `${(mebibytes / 1024).toFixed(2)} GiB`;
}

/** The two largest units. */
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
