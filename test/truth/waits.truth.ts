import { readFileSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import { basename, dirname } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../support/async.js';
import type { DecodedProfile } from '../support/decoded-profile.js';
import { parseDump } from '../support/goroutine-dump.js';
import { request } from '../support/http.js';
import { appFile, startWorkload, TestProcess, type Workload } from '../support/process.js';
import { atLeast, atMost, claim, within } from './claim.js';

/** The binaries of Node to ask, separated by colons; the running one if there is no such variable. */
const NODES = (process.env.TRUTH_NODES ?? process.execPath).split(':');
const SERVERS = NODES.flatMap((node) =>
  ['express', 'fastify'].map((adapter) => ({
    node,
    adapter,
    subject: `Node ${node === process.execPath ? process.version : basename(dirname(dirname(node)))}, ${adapter}`,
  })),
);

/** Ten handlers read a pipe at a time. */
const POOL = { UV_THREADPOOL_SIZE: '16' };

const SOURCE = appFile('waits/waits.ts');
const LINES = new Map(
  readFileSync(SOURCE, 'utf8')
    .split('\n')
    .flatMap((text, i) => Array.from(text.matchAll(/\/\/ wait: (\w+)$/g), ([, name]) => [i + 1, name!])),
);

/** Waits with one `await` each; the line has the same name. */
const KINDS = [
  'method',
  'timersPromises',
  'lock',
  'socket',
  'fs',
  'all',
  'fetch',
  'once',
  'generator',
  'worker',
  'rxjs',
  'callback',
];
/** An `await` for each part. */
const STREAM = 'stream';
/** What the application does besides: it opens the file, and asks for the stream. */
const BESIDES = ['open', 'close', 'response'];

const WAITS = 100;
const AT_A_TIME = 10;
/** Node's client works for some milliseconds before it waits, and for others meanwhile. */
const FETCHES_AT_A_TIME = 2;

interface Frame {
  readonly name: string;
  readonly file: string;
  readonly line: number;
}

interface Sample {
  readonly stack: readonly Frame[];
  readonly values: readonly number[];
  readonly labels: Readonly<Record<string, string>>;
  /** Of the line of waits.ts at its leaf. */
  readonly at: string | undefined;
}

type Measured = Readonly<Record<string, { readonly count: number; readonly ms: number }>>;

function samplesOf({ raw }: DecodedProfile): Sample[] {
  const text = (index: number | bigint): string => raw.stringTable.strings[Number(index)]!;
  const functions = new Map(raw.function.map((one) => [one.id, one]));
  const frames = new Map(
    raw.location.map(({ id, line: [line] }) => {
      const { name, filename } = functions.get(line!.functionId)!;
      return [id, { name: text(name), file: text(filename), line: Number(line!.line) }];
    }),
  );
  return raw.sample.map(({ locationId, value, label }) => {
    const stack = locationId.map((id) => frames.get(id)!);
    return {
      stack,
      values: value.map(Number),
      labels: Object.fromEntries(label.map(({ key, str }) => [text(key), text(str)])),
      at: nameAt(stack[0]!),
    };
  });
}

const nameAt = ({ file, line }: Frame): string | undefined => (file === SOURCE ? LINES.get(line) : undefined);

const sumOf = (samples: readonly Sample[], value = 0): number =>
  samples.reduce((sum, { values }) => sum + values[value]!, 0);

const at = (samples: readonly Sample[], name: string): Sample[] => samples.filter((one) => one.at === name);

/** So many orders, some of which are carried out at the same time. */
async function postMany(app: Workload, order: string, count: number, atATime = AT_A_TIME): Promise<void> {
  let left = count;
  const work = async (): Promise<void> => {
    while (left-- > 0) await app.post(order);
  };
  await Promise.all(Array.from({ length: atATime }, work));
}

/** What the service has measured, when all of the last kind has come. */
async function measuredBy(app: Workload, name: string, count: number): Promise<Measured> {
  const all: Record<string, { count: number; ms: number }> = {};
  await until(
    async () => {
      const last = await app.post<Measured>('measured');
      for (const [name, { count, ms }] of Object.entries(last)) {
        const total = (all[name] ??= { count: 0, ms: 0 });
        total.count += count;
        total.ms += ms;
      }
      return all;
    },
    (all) => (all[name]?.count === count ? [] : [name]),
  );
  return all;
}

const start = (env: Readonly<Record<string, string>>, node = process.execPath): Promise<Workload> =>
  startWorkload('waits.mjs', { env: { ...POOL, ...env }, flags: ['--expose-gc'], node });

describe.each(SERVERS)('block at rate 1 on $subject', ({ node, adapter, subject }) => {
  let samples: Sample[];
  let measured: Measured;

  beforeAll(async () => {
    const app = await start({ ADAPTER: adapter }, node);
    await postMany(app, 'fetch', 20); // Node loads its client
    await app.post('measured');
    await app.post('blockOn');
    const kinds = [...KINDS.filter((name) => name !== 'callback'), STREAM, 'callback'];
    for (const name of kinds)
      await postMany(app, name, WAITS, name === 'fetch' ? FETCHES_AT_A_TIME : AT_A_TIME);
    measured = await measuredBy(app, 'callback', WAITS);
    samples = samplesOf(await app.profile('block'));
  }, 120_000);
  afterAll(() => TestProcess.stopAll());

  it.each(KINDS)('shows waits by %s: their number and time, once, at the line of the application', (name) => {
    const found = at(samples, name);
    const { count, ms } = measured[name]!;
    const words = `block, ${subject}: ${WAITS} waits by ${name} four functions deep`;
    // Two promises in one: a wait for each that ends later.
    const bounds = name === 'all' ? [atLeast(1), atMost(2)] : [within(0)];
    for (const bound of bounds) claim(`${words}: their number`, sumOf(found) / count, bound);
    const besides = name === 'fs' ? ['open', 'close'] : [];
    const own = sumOf(found, 1) + besides.reduce((sum, name) => sum + sumOf(at(samples, name), 1), 0);
    // As the issue has it; opening and closing the file is in what the service measures.
    claim(`${words}: their time`, own / 1e6 / ms, within(0.05));
  });

  it('shows the waits for a slow stream at its loop', () => {
    const time = [STREAM, 'response'].reduce((sum, name) => sum + sumOf(at(samples, name), 1), 0);
    const { ms } = measured[STREAM]!;
    claim(`block, ${subject}: ${WAITS} slow streams: their time`, time / 1e6 / ms, within(0.05));
  });

  it('counts nothing twice: what awaits those, what is behind them, what Node and the framework do', () => {
    const known = new Set([...KINDS, STREAM, ...BESIDES]);
    const others = samples.filter(({ at }) => !known.has(at ?? ''));
    // The framework awaits results that are there; a busy machine makes such an await last.
    claim(
      `block, ${subject}: all other waits by these, time`,
      sumOf(others, 1) / sumOf(samples, 1),
      atMost(0.02),
    );
    const callers = others.filter(({ stack }) => stack.some(({ name }) => name === 'third'));
    claim(
      `block, ${subject}: waits of callers by those of callees, number`,
      sumOf(callers) / sumOf(samples),
      atMost(0.01),
    );
  });
});

describe('block at 1 in 16', () => {
  const OFTEN = ['method', 'timersPromises', 'lock'];
  /** Each order is 300 waits. */
  const ORDERS = 60;

  it('shows the number and the time of many waits', async () => {
    const app = await start({ BLOCK_RATE: '16' });
    for (const name of OFTEN) await postMany(app, `${name}Often`, ORDERS, 6);
    const measured = await app.post<Measured>('measured');
    const samples = samplesOf(await app.profile('block'));
    for (const name of OFTEN) {
      const [count, nanos] = [0, 1].map((value) => sumOf(at(samples, name), value));
      const n = count! / 16;
      const words = `block, 1 in 16: ${ORDERS * 300} waits by ${name}`;
      // As the issue has it: five standard deviations of some 1,100 samples.
      claim(`${words}: their number`, count! / measured[name]!.count, within(0.15, n));
      claim(`${words}: their time`, nanos! / 1e6 / measured[name]!.ms, within(0.15, n));
    }
  }, 120_000);
  afterAll(() => TestProcess.stopAll());
});

/** Requests that hang, how many of each, and what Go calls that. */
const HANGS = [
  { name: 'hangPromise', count: 30, state: 'chan receive' },
  { name: 'hangSocket', count: 20, state: 'IO wait' },
  { name: 'hangTimer', count: 10, state: 'sleep' },
  { name: 'hangFile', count: 5, state: 'syscall' },
];

/** Sends orders without waiting for replies. */
function send(app: Workload, order: string, count: number): { leave(): void; ended: Promise<unknown> } {
  const agent = new Agent({ keepAlive: false });
  const sent = Array.from({ length: count }, () => {
    const one = httpRequest(`${app.url}/${order}`, { method: 'POST', agent });
    const ended = new Promise((resolve) =>
      one
        .on('response', (response) => response.resume().on('end', resolve))
        .on('error', resolve)
        .end(),
    );
    return { one, ended };
  });
  return {
    leave: () => sent.forEach(({ one }) => one.destroy()),
    ended: Promise.all(sent.map(({ ended }) => ended)),
  };
}

interface Hanging {
  readonly count: number;
  readonly route: string | undefined;
  readonly state: string | undefined;
}

/** What hangs at each line, in each of the three forms. */
const FORMS: Readonly<Record<string, (app: Workload) => Promise<ReadonlyMap<string, Hanging>>>> = {
  'debug=0': async (app) => byName(samplesOf(await app.profile('goroutine')).map(hangingOf)),
  'debug=1': async (app) => {
    const { text } = await request(app.pprof('goroutine?debug=1'));
    const blocks = text.matchAll(
      /^(\d+) @ .*\n(?:# labels: (.*)\n)?#\t\S+\s+(\S+)\+0x[0-9a-f]+\s+(\S+):(\d+)$/gm,
    );
    return byName(
      Array.from(blocks, ([, count, labels, name, file, line]) => {
        const { route, state } = JSON.parse(labels ?? '{}') as Record<string, string>;
        return {
          name: nameAt({ name: name!, file: file!, line: Number(line) }),
          hanging: { count: Number(count), route, state },
        };
      }),
    );
  },
  'debug=2': async (app) => {
    const { text } = await request(app.pprof('goroutine?debug=2'));
    const blocks = parseDump(text.slice(text.indexOf('goroutine ')));
    return byName(
      blocks.map(({ stack: [leaf], labels, state }) => ({
        name: nameAt(leaf!),
        hanging: { count: 1, route: labels.route, state },
      })),
    );
  },
};

function hangingOf({ at, values, labels }: Sample): { name: string | undefined; hanging: Hanging } {
  return { name: at, hanging: { count: values[0]!, route: labels.route, state: labels.state } };
}

function byName(
  all: readonly { readonly name: string | undefined; readonly hanging: Hanging }[],
): ReadonlyMap<string, Hanging> {
  const found = new Map<string, Hanging>();
  for (const { name, hanging } of all) {
    if (name === undefined) continue;
    const { count = 0 } = found.get(name) ?? {};
    found.set(name, { ...hanging, count: count + hanging.count });
  }
  return found;
}

const hanging = async (app: Workload, form = 'debug=0'): Promise<[string, Hanging][]> =>
  [...(await FORMS[form]!(app))].filter(([name]) => HANGS.some((hang) => hang.name === name)).toSorted();

/** Reads until so many hang. */
const untilHanging = (app: Workload, count: number): Promise<[string, Hanging][]> =>
  until(
    () => hanging(app),
    (all) => {
      const sum = all.reduce((sum, [, { count }]) => sum + count, 0);
      return sum === count ? [] : [{ is: sum, expected: count }];
    },
  );

const ALL_HANGING = HANGS.reduce((sum, { count }) => sum + count, 0);

describe.each(SERVERS)('goroutine at rate 1 on $subject', ({ node, adapter }) => {
  let app: Workload;
  beforeAll(async () => {
    app = await start({ ADAPTER: adapter, GOROUTINE_RATE: '1' }, node);
  });
  afterAll(() => TestProcess.stopAll());
  afterEach(async () => {
    await app.post('end');
    await untilHanging(app, 0);
  });

  it('has as many as hang at each line, with route and state, in all three forms, and none when they have ended', async () => {
    const sent = HANGS.map(({ name, count }) => send(app, name, count));
    await untilHanging(app, ALL_HANGING);
    const expected = HANGS.map(({ name, count, state }) => [name, { count, state, route: `POST /${name}` }]);
    for (const form in FORMS) expect([form, await hanging(app, form)]).toEqual([form, expected.toSorted()]);
    await app.post('end');
    await Promise.all(sent.map(({ ended }) => ended));
    for (const form in FORMS) expect([form, await hanging(app, form)]).toEqual([form, []]);
  });

  it('shows handlers that hang on when the client has left, with their route', async () => {
    const { leave, ended } = send(app, 'hangPromise', 10);
    await untilHanging(app, 10);
    leave();
    await ended;
    const expected = ['hangPromise', { count: 10, state: 'chan receive', route: 'POST /hangPromise' }];
    for (const form in FORMS) expect([form, await hanging(app, form)]).toEqual([form, [expected]]);
  });
});

describe.each(NODES)('goroutineleak at rate 1 on %s', (node) => {
  afterAll(() => TestProcess.stopAll());

  it('has each await that nothing can end, and none that something can', async () => {
    const app = await start({ GOROUTINE_RATE: '1' }, node);
    const sent = ['forgotten', 'reachable'].map((name) => send(app, name, 50));
    await postMany(app, 'race', 50);
    await until(
      async () => samplesOf(await app.profile('goroutineleak')),
      (samples) => (sumOf(samples) >= 50 ? [] : [sumOf(samples)]),
    );
    const leaked = samplesOf(await app.profile('goroutineleak'));
    expect(leaked.map(({ at, values, labels }) => ({ at, values, labels }))).toEqual([
      { at: 'forgotten', values: [50], labels: { route: 'POST /forgotten', state: 'chan receive' } },
    ]);
    for (const { leave } of sent) leave();
  });
});

describe.each([1, 16])('after 10,000 requests at rate %d', (rate) => {
  afterAll(() => TestProcess.stopAll());

  it('nothing remains', async () => {
    const app = await start({ GOROUTINE_RATE: `${rate}`, BLOCK_RATE: `${rate}` });
    const orders = async (count: number): Promise<void> => {
      await postMany(app, 'quick', count, 20);
      await postMany(app, 'callbackQuick', 100, 20);
      await until(
        async () => samplesOf(await app.profile('goroutine')),
        (samples) =>
          samples
            .filter(({ labels, stack }) => labels.state !== 'running' && stack[0]!.name !== '(event loop)')
            .map(({ stack }) => stack[0]),
      );
    };
    interface Memory {
      readonly heapUsed: number;
      readonly resources: number;
    }
    await orders(3000);
    const before = await app.post<Memory>('memory');
    await orders(10_000);
    const after = await app.post<Memory>('memory');
    const words = `rate ${rate}, after 10,000 requests by before`;
    claim(`${words}: memory in use`, after.heapUsed / before.heapUsed, atMost(1.02));
    expect(after.resources).toBeLessThanOrEqual(before.resources);
  }, 240_000);
});

describe('promises that were awaited and settled', () => {
  afterEach(() => TestProcess.stopAll());

  it.each([
    ['off', 0, 10],
    ['on, 1 in 16', 16, 10],
    ['on, each', 1, 1],
  ])(
    'are collected: tracking %s',
    async (words, rate, times) => {
      const app = await start({ GOROUTINE_RATE: `${rate}`, BLOCK_RATE: `${rate}` });
      await app.post('settleMany');
      const before = await app.post<{ heapUsed: number }>('memory');
      for (let i = 0; i < times; i++) await app.post('settleMany');
      const after = await app.post<{ heapUsed: number }>('memory');
      // Of a promise that remained at least its 50 bytes and the entry of a table would; some 300 KB are what the app has compiled.
      const part = (after.heapUsed - before.heapUsed) / (times * 100_000 * 100);
      claim(`tracking ${words}: so much of ${times * 100_000} settled promises remains`, part, atMost(0.05));
    },
    240_000,
  );
});

describe.each(NODES)('goroutine with 100,000 pending awaits on %s', (node) => {
  const version = node === process.execPath ? process.version : basename(dirname(dirname(node)));
  afterAll(() => TestProcess.stopAll());

  it('has the same number in all three forms, served in pieces of at most 10 ms', async () => {
    const app = await start({ GOROUTINE_RATE: '1' }, node);
    await app.profile('goroutine'); // V8 is asked for source maps, of all that the compiler has loaded
    await app.post('hold100000');
    await until(
      async () => (await FORMS['debug=0']!(app)).get('held')?.count,
      (count) => (count === 100_000 ? [] : [count]),
    );
    for (const form in FORMS) {
      const turns: number[] = [];
      for (let i = 0; i < 5; i++) {
        await app.post('watch');
        const held = (await FORMS[form]!(app)).get('held');
        expect([form, held?.count]).toEqual([form, 100_000]);
        turns.push((await app.post<{ ms: number }>('longestTurn')).ms);
      }
      // A long piece of work would be in all five; what other processes take, which Node 20 cannot tell, is not.
      const words = `Node ${version}, 100,000 pending awaits, ${form}: longest turn of the event loop besides V8's collections`;
      claim(`${words}, in 10 ms`, Math.min(...turns) / 10, atMost(1));
    }
    await app.post('free');
    const after = await until(
      async () => (await FORMS['debug=0']!(app)).get('held'),
      (held) => (held ? [held] : []),
    );
    expect(after).toBeUndefined();
  }, 240_000);
});

describe.each(NODES)('the hook of async_hooks on %s', (node) => {
  const version = node === process.execPath ? process.version : basename(dirname(dirname(node)));
  afterAll(() => TestProcess.stopAll());

  it('is off, and costs nothing that any other hook would not, after it was on a hundred times', async () => {
    const app = await start({}, node);
    const cost = async (): Promise<number> => {
      const costs: number[] = [];
      for (let i = 0; i < 5; i++) costs.push((await app.post<{ micros: number }>('costOfAwait')).micros);
      return Math.min(...costs);
    };
    await app.post('emptyHook');
    const before = await cost();
    for (let i = 0; i < 50; i++) {
      await app.post('on');
      await app.post('timersPromises');
      await app.post('off');
      const controller = new AbortController();
      const window = fetch(app.pprof('goroutine?seconds=1'), { signal: controller.signal }).catch(() => {});
      await app.post('timersPromises');
      controller.abort();
      await window;
    }
    await until(
      () => app.post<{ isOn: boolean }>('isHookOn'),
      ({ isOn }) => (isOn ? ['off'] : []),
    );
    await app.post('memory');
    const words = `Node ${version}: an await after the hook was on by one after an empty hook was on`;
    claim(words, (await cost()) / before, atMost(1.2));
  }, 240_000);
});

describe.each(NODES)('applications with habits of their own on %s', (node) => {
  afterEach(() => TestProcess.stopAll());

  it('have the same contexts as without tracking', async () => {
    const [off, on] = [await start({}, node), await start({ GOROUTINE_RATE: '1', BLOCK_RATE: '1' }, node)];
    const without = await off.post<{ seen: readonly unknown[] }>('contexts');
    expect(without.seen[0]).toBe('mine');
    expect(await on.post('contexts')).toEqual(without);
  });

  it.each(['throws', 'limit'])('are served when Error is one that %s', async (habit) => {
    const app = await start({ GOROUTINE_RATE: '1', ERRORS: habit }, node);
    const sent = send(app, 'hangPromise', 3);
    await untilHanging(app, 3);
    await app.post('end');
    await sent.ended;
    expect(await app.post('errors')).toEqual({ kept: true });
  });

  it('run on without stacks when Error is frozen', async () => {
    const app = await start({ GOROUTINE_RATE: '1', ERRORS: 'frozen' }, node);
    await postMany(app, 'timersPromises', 3);
    expect(samplesOf(await app.profile('goroutine')).length).toBeGreaterThan(0);
  });
});
