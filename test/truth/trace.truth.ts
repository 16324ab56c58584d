import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { basename, dirname } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type GoTrace, readGoTrace } from '../support/go-trace-reader.js';
import { detailsOf, goroutineGroups, nanosOf, rowsOf, withTracePages } from '../support/go-trace-pages.js';
import { goTraceProfile, type TraceProfile } from '../support/go-trace-tool.js';
import { request } from '../support/http.js';
import { appFile, startWorkload, TestProcess, type Workload } from '../support/process.js';
import { readTraceEvents } from '../support/trace-event-reader.js';
import { atLeast, type Bound, claim, within } from './claim.js';

/** The binaries of Node to ask, separated by colons; the running one if there is no such variable. */
const NODES = (process.env.TRUTH_NODES ?? process.execPath).split(':');
/** The same for Go. */
const GOS = (process.env.TRUTH_GOS ?? 'go').split(':');

const versionOf = (node: string): string =>
  node === process.execPath ? process.version : basename(dirname(dirname(node)));
const SERVERS = NODES.flatMap((node) =>
  ['express', 'fastify'].map((adapter) => ({
    node,
    adapter,
    subject: `Node ${versionOf(node)}, ${adapter}`,
  })),
);

const describeGo = GOS.every((go) => spawnSync(go, ['version']).status === 0) ? describe : describe.skip;

const start = (node: string, env: Readonly<Record<string, string>> = {}): Promise<Workload> =>
  startWorkload('trace.mjs', { env, flags: ['--expose-gc'], node });

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Fetches a trace. */
async function trace(app: Workload, query: string): Promise<Buffer> {
  const { status, body } = await request(app.pprof(`trace?${query}`));
  if (status !== 200) throw new Error(`trace?${query}: ${status} ${body}\n${app.process.output}`);
  return body;
}

/** Has all readers read a trace. */
async function expectReadable(bytes: Buffer): Promise<void> {
  for (const go of GOS) await goTraceProfile(go, 'sched', bytes);
  readGoTrace(bytes);
}

/** A generator of numbers from 0 to below 1. */
function randomFrom(seed: number): () => number {
  let state = Math.imul(seed + 1, 0x9e3779b9);
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Sends a request, and leaves after so many ms if it has not ended then. */
function send(url: string, method: string, body?: Buffer, leaveAfter?: number): Promise<unknown> {
  return new Promise((resolve) => {
    const one = httpRequest(url, { method, agent: false }, (response) =>
      response.resume().on('end', resolve).on('error', resolve),
    );
    one.on('error', resolve).end(body);
    if (leaveAfter !== undefined) setTimeout(() => one.destroy(), leaveAfter);
    one.on('close', resolve);
  });
}

/** Routes of the service, as random clients use them. */
const ROUTES: readonly ((url: string, random: () => number) => Promise<unknown>)[] = [
  ...Array.from(
    { length: 4 },
    () => (url: string, random: () => number) => send(`${url}/random/${Math.floor(random() * 1e9)}`, 'GET'),
  ),
  (url) => send(`${url}/cats/7`, 'GET'),
  (url) => send(`${url}/cats/none`, 'GET'),
  (url) => send(`${url}/nowhere`, 'GET'),
  (url) => send(`${url}/pooled`, 'POST'),
  (url) => send(`${url}/mixed`, 'POST'),
  (url) => send(`${url}/threadPool`, 'POST'),
  (url) => send(`${url}/ticks`, 'GET'),
  (url, random) => send(`${url}/ticks`, 'GET', undefined, random() * 20),
  (url, random) => send(`${url}/hang`, 'GET', undefined, random() * 50),
  (url, random) => send(`${url}/mixed`, 'POST', undefined, random() * 50),
  (url, random) => send(`${url}/upload`, 'POST', Buffer.alloc(random() * 300_000)),
];

/** Sends random requests, some of them at the same time, while work is done. */
async function underLoad<T>(
  app: Workload,
  seed: number,
  clients: number,
  work: () => Promise<T>,
): Promise<T> {
  const random = randomFrom(seed);
  const over = new AbortController();
  const client = async (): Promise<void> => {
    while (!over.signal.aborted) {
      await ROUTES[Math.floor(random() * ROUTES.length)]!(app.url, random);
      if (random() < 0.3) await sleep(random() * 30);
    }
  };
  const load = Array.from({ length: clients }, client);
  try {
    return await work();
  } finally {
    over.abort();
    await Promise.all(load);
  }
}

/** Traces of different kinds, by what is special about them. */
const KINDS: Readonly<Record<string, (app: Workload) => Promise<Buffer>>> = {
  'of 0.05 s of an idle service': (app) => trace(app, 'seconds=0.05'),
  'of 1 s of an idle service': (app) => trace(app, 'seconds=1'),
  'of 0.001 s under load': (app) => underLoad(app, 1, 8, () => trace(app, 'seconds=0.001')),
  'of 0.05 s under load': (app) => underLoad(app, 2, 8, () => trace(app, 'seconds=0.05')),
  'of 10 s under load': (app) => underLoad(app, 3, 8, () => trace(app, 'seconds=10')),
  'of a service with requests that hang': async (app) => {
    const clients = Array.from({ length: 20 }, () => send(`${app.url}/hang`, 'GET', undefined, 1500));
    await sleep(100);
    const bytes = await underLoad(app, 4, 4, () => trace(app, 'seconds=1'));
    await Promise.all(clients);
    return bytes;
  },
  'of worker threads from before the trace, begun and ended in it': async (app) => {
    await app.post('startWorker');
    await app.post('startWorker');
    return underLoad(app, 5, 4, async () => {
      const traced = trace(app, 'seconds=1.5');
      await sleep(300);
      await app.post('startWorker');
      await sleep(300);
      await app.post('stopWorkers');
      await app.post('startWorker');
      const bytes = await traced;
      await app.post('stopWorkers');
      return bytes;
    });
  },
  'after traces whose client has left': (app) =>
    underLoad(app, 6, 4, async () => {
      for (const ms of [10, 50, 150, 400, 700])
        await send(app.pprof('trace?seconds=5'), 'GET', undefined, ms);
      return whenFree(app, 'seconds=0.5');
    }),
  'beside a CPU profile': (app) =>
    underLoad(app, 7, 4, async () => {
      const profile = app.profile('profile?seconds=1');
      const bytes = await trace(app, 'seconds=1.5');
      await profile;
      return bytes;
    }),
  'beside profiles of waits and allocations': (app) =>
    underLoad(app, 8, 4, async () => {
      const others = ['block?seconds=1', 'goroutine?seconds=1', 'mutex?seconds=1', 'allocs?seconds=1'];
      const profiles = others.map((path) => app.profile(path));
      const bytes = await trace(app, 'seconds=1.5');
      await Promise.all(profiles);
      return bytes;
    }),
};

/** The service may need a moment to notice that a client has left. */
async function whenFree(app: Workload, query: string): Promise<Buffer> {
  for (;;) {
    const { status, body, text } = await request(app.pprof(`trace?${query}`));
    if (status === 200) return body;
    if (!/enabled|busy|in use/i.test(text)) throw new Error(`${status} ${text}`);
  }
}

describeGo('go tool trace', () => {
  describe.each(SERVERS)('reads traces of $subject', ({ node, adapter }) => {
    describe.each(['off', 'auto'])('warm: %s', (warm) => {
      let app: Workload;
      beforeAll(async () => {
        app = await start(node, { ADAPTER: adapter, WARM: warm });
      });
      afterAll(() => TestProcess.stopAll());

      it.each(Object.keys(KINDS))('%s', async (kind) => {
        await expectReadable(await KINDS[kind]!(app));
      });
    });
  });

  /** As many as the issue has it. */
  const TRACES = Math.ceil(200 / SERVERS.length);

  describe.each(SERVERS)(`reads ${TRACES} traces of random work on $subject`, ({ node, adapter }) => {
    afterAll(() => TestProcess.stopAll());

    it('without a parse error, and the JSON of some', async () => {
      const app = await start(node, { ADAPTER: adapter });
      const failures: string[] = [];
      for (let seed = 0; seed < TRACES; seed++) {
        const random = randomFrom(seed);
        const seconds = 0.05 + random() * 0.4;
        const clients = 1 + Math.floor(random() * 8);
        await underLoad(app, seed, clients, async () => {
          const bytes = await trace(app, `seconds=${seconds}`);
          await expectReadable(bytes).catch((error: Error) =>
            failures.push(`seed ${seed}: ${error.message}`),
          );
          if (seed % 5 === 0) readTraceEvents(`${await trace(app, `seconds=${seconds}&format=json`)}`);
        });
      }
      expect(failures).toEqual([]);
    }, 900_000);
  });
});

const SOURCE = appFile('trace.mjs');
const LINES = new Map(
  readFileSync(SOURCE, 'utf8')
    .split('\n')
    .flatMap((text, i) => Array.from(text.matchAll(/\/\/ wait: (\w+)$/g), ([, name]) => [i + 1, name!])),
);

/** The ms that something has taken, each time. */
type Measured = Readonly<Record<string, readonly number[]>>;

/** A trace, and what the service has measured meanwhile. */
interface Known {
  readonly trace: GoTrace;
  readonly bytes: Buffer;
  readonly measured: Measured;
  readonly collections: readonly { readonly begin: number; readonly ms: number }[];
  readonly waits: readonly Wait[];
  readonly heap: { readonly before: number; readonly after: number };
}

/** A wait of a goroutine in a trace; times in ns. */
interface Wait {
  /** Of the comment at its line. */
  readonly name: string | undefined;
  readonly goroutine: number;
  readonly cause: string;
  readonly begin: number;
  /** When it runs again. */
  readonly end: number;
  /** Who has made it runnable. */
  readonly wakes: number;
}

function waitsOf({ events, stacks }: GoTrace): Wait[] {
  const open = new Map<number, Omit<Wait, 'end'>>();
  const all: Wait[] = [];
  for (const { type, g, args, time, stack } of events) {
    if (type === 'GoSysCall' || type === 'GoSleep' || type === 'GoSched' || type.startsWith('GoBlock')) {
      const [leaf] = stacks.get(stack) ?? [];
      const name = leaf?.file === SOURCE ? LINES.get(leaf.line) : undefined;
      open.set(g, { name, goroutine: g, cause: type, begin: time, wakes: 0 });
    }
    const woken = type === 'GoUnblock' ? open.get(args[0]!) : undefined;
    if (woken) open.set(args[0]!, { ...woken, wakes: g });
    const ended = type === 'GoStart' ? open.get(g) : undefined;
    if (ended) all.push({ ...ended, end: time });
    if (ended) open.delete(g);
  }
  return all;
}

function groupBy<T, Key>(all: readonly T[], keyOf: (one: T) => Key): Map<Key, T[]> {
  const groups = new Map<Key, T[]>();
  for (const one of all) groups.set(keyOf(one), [...(groups.get(keyOf(one)) ?? []), one]);
  return groups;
}

/** The number of each group. */
const counts = (groups: ReadonlyMap<string, readonly unknown[]>, names: readonly string[]): unknown =>
  Object.fromEntries(names.map((name) => [name, groups.get(name)?.length]));

const times = (count: number, names: readonly string[]): unknown =>
  Object.fromEntries(names.map((name) => [name, count]));

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);

/** What requests wait for, by the line; and how the trace says that. */
const CAUSES: Readonly<Record<string, { readonly lines: readonly string[]; readonly cause: string }>> = {
  timer: { lines: ['timer'], cause: 'GoSleep' },
  file: { lines: ['open', 'read', 'close'], cause: 'GoSysCall' },
  threadPool: { lines: ['threadPool'], cause: 'GoSysCall' },
  dns: { lines: ['dns'], cause: 'GoBlockNet' },
  httpClient: { lines: ['httpClient', 'httpEnd'], cause: 'GoBlockNet' },
  fetch: { lines: ['fetch'], cause: 'GoBlockNet' },
  socket: { lines: ['socket'], cause: 'GoBlockNet' },
  usedSocket: { lines: ['usedSocket'], cause: 'GoBlockNet' },
  all: { lines: ['all'], cause: 'GoSleep' },
  immediates: { lines: ['immediates'], cause: 'GoSched' },
};

/** Requests of each kind. */
const REQUESTS = 20;

const MIXED = 'WorkloadController.mixed';

/** As the issue has it: 5 %, or 1 ms each. */
const nearly = (measured: readonly number[]): Bound =>
  within(Math.max(0.05, measured.length / sum(measured)), measured.length);

async function knownWork(app: Workload): Promise<Known> {
  const orders = [...Object.keys(CAUSES), 'mixed'];
  const some = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      for (const order of orders) await app.post(order);
      await send(`${app.url}/cats/${i}`, 'GET');
    }
    for (let i = 0; i < count / 10; i++)
      await Promise.all(Array.from({ length: 16 }, () => app.post('pooled')));
  };
  await some(3);
  await app.post('startTrace');
  await some(REQUESTS);
  const heap = await app.post<Known['heap']>('collect');
  const { trace: base64, ...rest } = await app.post<
    { trace: string } & Pick<Known, 'measured' | 'collections'>
  >('stopTrace');
  const bytes = Buffer.from(base64, 'base64');
  const trace = readGoTrace(bytes);
  return { ...rest, heap, bytes, trace, waits: waitsOf(trace) };
}

describe.each(SERVERS)('a trace of known work on $subject', ({ node, adapter, subject }) => {
  const words = `trace, ${subject}`;
  let known: Known;
  beforeAll(async () => {
    const app = await start(node, { ADAPTER: adapter });
    known = await knownWork(app);
    await app.process.stop();
  }, 120_000);
  afterAll(() => TestProcess.stopAll());

  it.each(Object.keys(CAUSES))('shows waits for %s: their cause, line and time', (name) => {
    const { lines, cause } = CAUSES[name]!;
    const found = known.waits.filter((wait) => lines.includes(wait.name!));
    const byGoroutine = groupBy(found, ({ goroutine }) => goroutine);
    expect({ name, requests: byGoroutine.size }).toEqual({ name, requests: REQUESTS });
    // Node and the service work a little while they wait.
    const spans = [...byGoroutine.values()].map((all) => all.at(-1)!.end - all[0]!.begin);
    const measured = known.measured[name]!;
    claim(`${words}: waits for ${name}, time`, sum(spans) / 1e6 / sum(measured), nearly(measured));
    const rightly = found.filter((wait) => wait.cause === cause);
    const time = (all: readonly Wait[]): number => sum(all.map(({ begin, end }) => end - begin));
    claim(
      `${words}: waits for ${name}, time with the right cause`,
      time(rightly) / time(found),
      atLeast(0.95),
    );
  });

  it('shows waits for a connection of a pool: their number, time, and the request that gave it back', () => {
    const { trace, waits, measured } = known;
    const found = waits.filter(({ name }) => name === 'pool');
    expect(found.length).toBe(measured.pool!.length);
    expect(new Set(found.map(({ cause }) => cause))).toEqual(new Set(['GoBlockRecv']));
    const time = sum(found.map(({ begin, end }) => end - begin)) / 1e6;
    claim(`${words}: waits for a pool, time`, time / sum(measured.pool!), nearly(measured.pool!));
    const wakers = found.map(({ wakes }) => trace.goroutines.get(wakes)?.name);
    expect(wakers).toEqual(found.map(() => 'WorkloadController.pooled'));
  });

  it('shows that a request waits 50 ms for a socket and 30 ms for a timer, and computes 20 ms', () => {
    const { trace, measured } = known;
    const mixed = [...trace.goroutines.values()].filter(({ name }) => name === MIXED);
    expect(mixed.length).toBe(REQUESTS);
    const of = (type: string): number => sum(mixed.map(({ waits }) => (waits[type]?.time ?? 0) / 1e6));
    const { mixedSocket, mixedTimer, mixedCompute } = measured as Record<string, number[]>;
    claim(`${words}: mixed, network wait`, of('GoBlockNet') / sum(mixedSocket!), nearly(mixedSocket!));
    claim(`${words}: mixed, sleep`, of('GoSleep') / sum(mixedTimer!), nearly(mixedTimer!));
    const running = sum(mixed.map(({ running }) => running / 1e6));
    // The framework, Node and the hook run as well: some ms.
    claim(`${words}: mixed, running`, running / sum(mixedCompute!), atLeast(1));
    const runnable = sum(mixed.map(({ runnable }) => runnable / 1e6));
    const all = sum([...mixedSocket!, ...mixedTimer!, ...mixedCompute!]);
    const total =
      running +
      runnable +
      sum(mixed.flatMap(({ waits }) => Object.values(waits).map(({ time }) => time / 1e6)));
    claim(`${words}: mixed, all`, total / all, within(0.1));
  });

  it('shows tasks and regions: their number and time', () => {
    const { trace, measured } = known;
    const tasks = groupBy(trace.tasks, ({ name }) => name);
    const regions = groupBy(trace.regions, ({ name }) => name);
    const orders = Object.keys(CAUSES).map((name) => `POST /${name}`);
    expect(counts(tasks, [...orders, 'POST /mixed', 'GET /cats/:id', 'import cats'])).toEqual(
      times(REQUESTS, [...orders, 'POST /mixed', 'GET /cats/:id', 'import cats']),
    );
    const once = [
      'guard AsyncGuard',
      'interceptor Around',
      'pipe ParseIntPipe',
      'handler CatsController.findOne',
      'load',
    ];
    expect(counts(regions, once)).toEqual(times(REQUESTS, once));
    expect(counts(regions, ['find a cat'])).toEqual(times(2 * REQUESTS, ['find a cat']));
    expect(counts(regions, ['each cat'])).toEqual(times(4 * REQUESTS, ['each cat']));
    for (const [what, name, measure] of [
      [tasks, 'import cats', 'import'],
      [regions, 'guard AsyncGuard', 'guard'],
      [regions, 'find a cat', 'find'],
      [regions, 'handler CatsController.findOne', 'findOne'],
    ] as const) {
      const time = sum(what.get(name)!.map(({ begin, end }) => (end! - begin) / 1e6));
      claim(`${words}: ${name}, time`, time / sum(measured[measure]!), nearly(measured[measure]!));
    }
    const importing = trace.tasks.filter(({ name }) => name === 'import cats');
    const parents = importing.map(({ parent }) => trace.tasks.find(({ id }) => id === parent)?.name);
    expect(parents).toEqual(importing.map(() => 'GET /cats/:id'));
  });

  it('shows collections as the service has seen them, and the heap', () => {
    const { trace, collections, heap } = known;
    const found = trace.collections.map(({ begin, end }) => ({
      begin: begin / 1e6,
      ms: (end! - begin) / 1e6,
    }));
    expect(found.length).toBe(collections.length);
    expect(found.length).toBeGreaterThan(2);
    const offset = collections[0]!.begin - found[0]!.begin;
    const apart = found.map(({ begin }, i) => Math.abs(begin + offset - collections[i]!.begin));
    expect(Math.max(...apart)).toBeLessThan(1);
    claim(
      `${words}: collections, time`,
      sum(found.map(({ ms }) => ms)) / sum(collections.map(({ ms }) => ms)),
      within(0.01),
    );
    const [before, after] = trace.heap.slice(-2).map(({ bytes }) => bytes) as [number, number];
    claim(`${words}: heap before the last collection`, before / heap.before, within(0.05));
    claim(`${words}: heap after the last collection`, after / heap.after, within(0.05));
  });

  it('has CPU samples in the requests that compute', () => {
    const { samples, goroutines } = known.trace;
    const computing = samples.filter(({ stack }) => stack.includes('compute'));
    const rightly = computing.filter(({ goroutine }) => goroutines.get(goroutine)?.name === MIXED);
    const n = computing.length;
    expect(n).toBeGreaterThan(20);
    claim(
      `${words}: samples of a function in the requests that call it`,
      rightly.length / n,
      atLeast(0.95, n),
    );
  });

  describeGo('and the pages of go tool trace', () => {
    it.each(GOS)(
      'of %s show routes, handlers and waits',
      async (go) => {
        const { trace, measured, bytes } = known;
        const title = `${words}, ${go}`;
        await withTracePages(go, bytes, async (page) => {
          const tasks = rowsOf(await page('/usertasks'));
          const regions = rowsOf(await page('/userregions'));
          for (const [rows, all] of [
            [tasks, trace.tasks],
            [regions, trace.regions],
          ] as const) {
            const expected = groupBy<{ name: string }, string>(all, ({ name }) => name);
            for (const [name, { length }] of expected) {
              const count = sum(rows.filter((row) => row.name === name).map(({ count }) => count));
              expect({ name, count }).toEqual({ name, count: length });
            }
          }
          for (const [name, measure] of [
            ['guard AsyncGuard', 'guard'],
            ['handler CatsController.findOne', 'findOne'],
          ] as const) {
            const links = regions.filter((row) => row.name === name).map(({ link }) => link);
            const details = (await Promise.all(links.map(page))).flatMap(detailsOf);
            const time = sum(details.map((one) => nanosOf(one.Total!) / 1e6));
            claim(`${title}: ${name}, time`, time / sum(measured[measure]!), nearly(measured[measure]!));
          }
          const groups = goroutineGroups(await page('/goroutines'));
          const group = groups.find(({ name }) => name === MIXED);
          expect(group?.count).toBe(REQUESTS);
          const details = detailsOf(await page(group!.link));
          expect(details.length).toBe(REQUESTS);
          const column = (pattern: RegExp): number =>
            sum(
              details.map((one) =>
                sum(
                  Object.entries(one).map(([name, text]) => (pattern.test(name) ? nanosOf(text) / 1e6 : 0)),
                ),
              ),
            );
          const { mixedSocket, mixedTimer, mixedCompute } = measured as Record<string, number[]>;
          claim(
            `${title}: mixed, network wait`,
            column(/network/i) / sum(mixedSocket!),
            nearly(mixedSocket!),
          );
          claim(`${title}: mixed, execution`, column(/^execution/i) / sum(mixedCompute!), atLeast(1));
          const elsewhere = column(/^total/i) - column(/network|^execution|sync block|chan receive|sched/i);
          claim(`${title}: mixed, sleep`, elsewhere / sum(mixedTimer!), nearly(mixedTimer!));
        });
        for (const { profile, name, waits, count } of PROFILES) {
          const decoded = await goTraceProfile(go, profile, bytes);
          const [countType, timeType] = decoded.sampleTypes as [string, string];
          const found = count ? decoded.flat(countType, name) : undefined;
          expect({ profile, name, count: found }).toEqual({ profile, name, count: count?.(measured) });
          const own = known.waits.filter((wait) => waits.includes(wait.name!));
          const time = sum(own.map(({ begin, end }) => end - begin));
          const words = `${title}: profile ${profile}, ${name}, time`;
          claim(words, decoded.flat(timeType, name) / time, within(0.01));
        }
      },
      120_000,
    );
  });
});

/** Waits that the profiles show. */
interface ProfiledWaits {
  readonly profile: TraceProfile;
  /** The function at the leaf. */
  readonly name: string;
  readonly waits: readonly string[];
  /** Undefined where Node works while it waits. */
  readonly count?: (measured: Measured) => number;
}

const PROFILES: readonly ProfiledWaits[] = [
  { profile: 'net', name: 'dns', waits: ['dns'], count: () => REQUESTS },
  { profile: 'net', name: 'fetch', waits: ['fetch'] },
  { profile: 'net', name: 'mixed', waits: ['mixedSocket'] },
  { profile: 'sync', name: 'Pool.acquire', waits: ['pool'], count: ({ pool }) => pool!.length },
  { profile: 'syscall', name: 'threadPool', waits: ['threadPool'], count: () => REQUESTS },
];
