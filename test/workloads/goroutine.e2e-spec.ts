import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ADAPTERS } from '../support/app.js';
import { readCounts } from '../support/counts.js';
import { type DumpedGoroutine, readDump } from '../support/dump.js';
import { describeGo, goPprof, profileFile, topRows } from '../support/go.js';
import { hammer } from '../support/hammer.js';
import { type Answer, request } from '../support/http.js';
import {
  type DecodedFrame,
  DecodedProfile,
  type DecodedStack,
  startWorkload,
  TestProcess,
  type Workload,
} from '../support/process.js';
import { buildTypeScript, MarkedSource } from '../support/typescript.js';
import { until } from '../support/until.js';

const CATS = new MarkedSource('waiting/cats.ts');
const WAITS = CATS.marked('waits');
const ASKS = CATS.marked('asks');
const WAYS = new MarkedSource('waiting/ways.ts');

/** Requests that hang: how many, where, in what state. */
const HANGING = [
  {
    what: 'promise',
    count: 30,
    state: 'chan receive',
    path: (i: number) => `cats/${i}`,
    route: 'GET /cats/:id',
    leaf: 'Shelter.nameOf',
    handler: 'CatsController.findOne',
  },
  {
    what: 'socket',
    count: 20,
    state: 'IO wait',
    path: (i: number) => `cats/${i}/toys`,
    route: 'GET /cats/:id/toys',
    leaf: 'Shelter.toysOf',
    handler: 'CatsController.toys',
  },
  {
    what: 'timer',
    count: 10,
    state: 'sleep',
    path: (i: number) => `cats/${i}/nap`,
    route: 'GET /cats/:id/nap',
    leaf: 'Shelter.nap',
    handler: 'CatsController.nap',
  },
  {
    what: 'late',
    count: 5,
    state: 'chan receive',
    path: (i: number) => `cats/${i}/keeper`,
    route: 'GET /cats/:id/keeper',
    leaf: 'Shelter.keeperOf',
    handler: 'CatsController.keeper',
  },
] as const;

const ALL = HANGING.map(({ what }) => what);
/** Fewer in the cells of CI's matrix: the count is no matter of the Node. */
const MANY = process.env.MATRIX_CELL ? 4000 : 10_000;
const ROUNDS = 4;
const WITH_GC = { flags: ['--expose-gc'] };

let main: string;
beforeAll(async () => {
  main = await buildTypeScript('waiting-esm');
}, 60_000);

describe.each(ADAPTERS)('goroutine on %s, with every await tracked', (adapter) => {
  let app: Workload;
  let answers: Promise<Answer>[];

  beforeAll(async () => {
    app = await start(adapter, { GOROUTINE_RATE: '1' });
    answers = [];
    for (const hanging of HANGING) answers.push(...(await ask(app, hanging)));
  });
  afterAll(() => TestProcess.stopAll());

  it.each(HANGING)('the binary form has $count at the line of the $what, with their route', async (row) => {
    expect(hangingIn(await app.profile('goroutine'), row)).toEqual(expected(row));
  });

  it('has nothing else of the application', async () => {
    const total = (await app.profile('goroutine')).stacks
      .filter((stack) => isOfApp(stack) || /cats/.test(stack.labels.route ?? ''))
      .reduce((sum, { values }) => sum + values.goroutine!, 0);
    expect(total).toBe(HANGING.reduce((sum, { count }) => sum + count, 0));
  });

  describeGo('go tool pprof', () => {
    it.each([
      ['the binary form', 'goroutine'],
      ['the text form', 'goroutine?debug=1'],
    ])('has them at the top of %s', async (_, path) => {
      const rows = topRows(await goPprof('-top', '-nodecount=1000', app.pprof(path)));
      for (const { leaf, handler, count } of HANGING) {
        expect([leaf, rows.get(leaf)]).toEqual([leaf, expect.objectContaining({ flat: String(count) })]);
        expect([handler, rows.get(handler)]).toEqual([
          handler,
          expect.objectContaining({ flat: '0', cum: String(count) }),
        ]);
      }
    });

    it('has their lines', async () => {
      const top = await goPprof('-top', '-lines', '-nodecount=1000', app.pprof('goroutine'));
      for (const { leaf, what, count } of HANGING) {
        expect(topRows(top).get(`${leaf} ${CATS.path}:${WAITS.get(what)}`)).toMatchObject({
          flat: String(count),
        });
      }
    });

    it('keeps their routes when it writes them again', async () => {
      const file = profileFile(`goroutine-${adapter}.pb.gz`, Buffer.alloc(0));
      await goPprof('-proto', `-output=${file}`, app.pprof('goroutine'));
      const profile = new DecodedProfile(readFileSync(file));
      for (const row of HANGING) expect(hangingIn(profile, row)).toEqual(expected(row));
    });
  });

  it('debug=1 has them in the form of Go', async () => {
    const { name, total, records } = readCounts(await text(app, 'goroutine?debug=1'));
    expect(name).toBe('goroutine');
    expect(records.reduce((sum, { count }) => sum + count, 0)).toBe(total);
    expect(records.map(({ count }) => count)).toEqual(
      records.map(({ count }) => count).sort((a, b) => b - a),
    );
    for (const row of HANGING) {
      const { count, state, route } = row;
      const [record, ...more] = records.filter(({ labels }) => labels.route === route);
      expect(more).toEqual([]);
      expect(record).toMatchObject({ count, labels: { route, state } });
      expect(record!.frames.slice(0, 2)).toEqual(framesOf(row));
    }
  });

  describe('debug=2', () => {
    let dump: DumpedGoroutine[];
    beforeAll(async () => {
      dump = readDump(await text(app, 'goroutine?debug=2'));
    });

    it.each(HANGING)('has a block for each that waits for the $what', (row) => {
      const { count, state, route } = row;
      const blocks = dump.filter(({ labels }) => labels.route === route);
      expect(blocks).toHaveLength(count);
      for (const block of blocks) {
        expect(block).toMatchObject({ state, isLeaked: false, minutes: 0 });
        expect(block.labels.age).toMatch(/^\d+\.\ds$/);
        expect(block.frames.slice(0, 2)).toEqual(framesOf(row));
        expect(block.createdBy).toMatchObject(framesOf(row)[1]!);
      }
      expect(new Set(blocks.map(({ createdBy }) => createdBy!.parent)).size).toBe(count);
    });

    it('begins with the one that runs, which is what makes it', () => {
      const [first, ...others] = dump;
      expect(first!.state).toBe('running');
      expect(first!.frames.map(({ name }) => name)).toContain('PprofHandler.serve');
      expect(others.filter(({ state }) => state === 'running')).toEqual([]);
    });

    it('goes on with the oldest', () => {
      const ages = dump.flatMap(({ labels: { age } }) => (age ? [Number.parseFloat(age)] : []));
      expect(ages.length).toBeGreaterThanOrEqual(65);
      expect(ages).toEqual([...ages].sort((a, b) => b - a));
      const order = dump.flatMap(({ labels }) => HANGING.filter(({ route }) => route === labels.route));
      expect([...new Set(order.map(({ what }) => what))]).toEqual(ALL);
    });

    it('has a number for each, the same one in the next dump', async () => {
      const ids = dump.map(({ id }) => id);
      expect(new Set(ids).size).toBe(ids.length);
      const requests = dump.filter(({ labels }) => HANGING.some(({ route }) => route === labels.route));
      const again = readDump(await text(app, 'goroutine?debug=2'));
      for (const { id, createdBy, frames } of requests) {
        expect(again).toContainEqual(expect.objectContaining({ id, createdBy, frames }));
      }
    });
  });

  it('they are gone when they have ended', async () => {
    await app.post('release');
    const ended = await Promise.all(answers);
    expect(ended.map(({ status }) => status)).toEqual(ended.map(() => 200));
    const left = (await app.profile('goroutine')).stacks.filter(isOfApp);
    expect(left).toEqual([]);
  });
});

describe.each(ADAPTERS)('goroutine on %s', (adapter) => {
  afterEach(() => TestProcess.stopAll());

  it('tells what is waited for, whichever way', async () => {
    const app = await start(adapter, { GOROUTINE_RATE: '1' });
    const ways = await app.post<string[]>('ways');
    const answers = ways.map((way) => request(`${app.url}/ways/${encodeURIComponent(way)}`));
    await until(
      () => app.post<{ count: number }>('hanging'),
      ({ count }) => count === ways.length,
    );
    const expected = WAYS.marks('hangs').map(([line, state]) => ({ line, state, count: 1 }));
    expect(expected).toHaveLength(ways.length);
    // Some wait for something else first: `fetch` for an answer, before it can wait for its body.
    await until(
      () => waysIn(app),
      (found) => isDeepStrictEqual(found, expected),
    );

    await app.post('endAll');
    await Promise.all(answers);
    expect(await waysIn(app)).toEqual([]);
  });

  it('has a request whose handler awaits nothing, at the line that made its promise', async () => {
    const app = await start(adapter, { GOROUTINE_RATE: '1' });
    const answers = await ask(app, { what: 'no await', count: 3, path: (i) => `cats/${i}/home` });
    const ours = (await app.profile('goroutine')).stacks.filter(isOfApp);
    expect(ours.map(({ values, labels }) => ({ values, labels }))).toEqual([
      { values: { goroutine: 3 }, labels: { route: 'GET /cats/:id/home', state: 'chan receive' } },
    ]);
    expect(ours[0]!.frames.find(({ file }) => file === CATS.path)).toMatchObject({
      name: 'CatsController.goHome',
      line: WAITS.get('no await'),
    });
    await app.post('release');
    await Promise.all(answers);
  });

  it('with the rate at 0 has requests by their handlers, what is active, and how to see more', async () => {
    const app = await start(adapter);
    const answers: Promise<Answer>[] = [];
    for (const hanging of HANGING) answers.push(...(await ask(app, hanging)));
    expect(await isHooked(app)).toBe(false);

    const profile = await app.profile('goroutine');
    for (const { route, count, handler } of HANGING) {
      const ours = profile.stacks.filter(({ labels }) => labels.route === route);
      expect(ours.map(({ values, labels: { state } }) => ({ values, state }))).toEqual([
        { values: { goroutine: count }, state: 'waiting' },
      ]);
      expect(ours[0]!.frames.map(({ name }) => name)).toEqual([handler]);
    }
    const resources = new Map(
      profile.stacks.flatMap(({ labels, values }) =>
        labels.resource ? [[labels.resource, values.goroutine!] as const] : [],
      ),
    );
    expect(resources.get('TCPSocketWrap')).toBeGreaterThanOrEqual(65 + 20); // and the ones that never answer
    expect(resources.get('Timeout')).toBeGreaterThanOrEqual(10);
    expect(profile.stacks.filter(({ labels }) => labels.state === 'running')).toHaveLength(1);
    expect(profile.comments.join('\n')).toMatch(/goroutineProfileRate.*seconds=/);
    expect(await text(app, '', 'text/html; charset=utf-8')).toMatch(/goroutineProfileRate.*seconds=/);

    const dump = readDump(await text(app, 'goroutine?debug=2'));
    expect(dump[0]!.state).toBe('running');
    for (const { route, count, handler } of HANGING) {
      const ours = dump.filter(({ labels }) => labels.route === route);
      expect(ours).toHaveLength(count);
      for (const { frames, state, labels } of ours) {
        expect([state, ...frames.map(({ name }) => name)]).toEqual(['waiting', handler]);
        expect(labels.age).toMatch(/^\d+\.\ds$/);
      }
    }
    const { records } = readCounts(await text(app, 'goroutine?debug=1'));
    expect(records.find(({ labels }) => labels.route === HANGING[0].route)).toMatchObject({
      count: HANGING[0].count,
    });

    await app.post('release');
    await Promise.all(answers);
    const left = (await app.profile('goroutine')).stacks;
    expect(left.filter(({ labels }) => /cats/.test(labels.route ?? ''))).toEqual([]);
  });

  it('tracks awaits for a window, and no longer', async () => {
    const app = await start(adapter);
    const [promises, sockets, timers] = HANGING;
    const answers = await ask(app, promises); // before it
    const window = app.profile('goroutine?seconds=3');
    await until(() => isHooked(app), Boolean);
    answers.push(...(await ask(app, sockets)));
    const profile = await window;
    expect(hangingIn(profile, sockets)).toEqual(expected(sockets));
    expect(hangingIn(profile, promises)).toEqual([]);
    expect(profile.durationNanos / 1e9).toBeGreaterThan(2.9);

    await until(
      () => isHooked(app),
      (is) => !is,
    );
    answers.push(...(await ask(app, timers)));
    const after = await app.profile('goroutine');
    for (const { route, count, handler } of [promises, sockets, timers]) {
      const ours = after.stacks.filter(({ labels }) => labels.route === route);
      expect(ours.map(({ values, frames }) => [values.goroutine, frames.map(({ name }) => name)])).toEqual([
        [count, [handler]],
      ]);
    }
    await app.post('release');
    await Promise.all(answers);
  });

  it('has those that end in a window as less than none', async () => {
    const app = await start(adapter, { GOROUTINE_RATE: '1' });
    const [promises] = HANGING;
    const answers = await ask(app, promises);
    const window = app.profile('goroutine?seconds=3');
    await until(
      async () => readDump(await text(app, 'goroutine?debug=2')),
      (dump) => dump.some(({ frames }) => frames[0]?.name === 'DeltaCollector.endOf'),
    );
    await app.post('release');
    await Promise.all(answers);
    const [sample, ...more] = (await window).stacks.filter(({ labels }) => labels.route === promises.route);
    expect(more).toEqual([]);
    expect(sample!.values).toEqual({ goroutine: -promises.count });
  });

  it('keeps nothing of many requests', async () => {
    const app = await startWorkload(main, { env: { ADAPTER: adapter, GOROUTINE_RATE: '1' }, ...WITH_GC });
    const quick = (count: number): Promise<void> => hammer(app.url, '/cats/7/quick', count);
    await quick(3000); // code and caches of V8 that grow at first
    // Each round would add what a request leaves. What V8 itself keeps grows now and then.
    const kept: number[] = [];
    while (kept.length < ROUNDS && !kept.some((bytes) => bytes / MANY < 100)) {
      const before = await app.post<{ used: number }>('memory');
      const resources = await app.post<string[]>('resources');
      await quick(MANY);
      await until(
        () => app.post<string[]>('resources'),
        ({ length }) => length <= resources.length,
      );
      kept.push((await app.post<{ used: number }>('memory')).used - before.used);
    }
    expect(Math.min(...kept) / MANY).toBeLessThan(100);
    const { stacks } = await app.profile('goroutine');
    expect(stacks.filter(isOfApp)).toEqual([]);
    expect(stacks.filter(({ labels }) => /cats/.test(labels.route ?? ''))).toEqual([]);
  });
});

function start(adapter: string, env: Record<string, string> = {}): Promise<Workload> {
  return startWorkload(main, { env: { ADAPTER: adapter, ...env } });
}

/** Makes requests that hang, and waits until all do. */
async function ask(
  app: Workload,
  { what, count, path }: { what: string; count: number; path(i: number): string },
): Promise<Promise<Answer>[]> {
  const answers = Array.from({ length: count }, (_, i) => request(`${app.url}/${path(i)}`));
  await until(
    () => app.post<Record<string, number>>('waiting'),
    (waiting) => waiting[what] === count,
  );
  return answers;
}

type Hanging = (typeof HANGING)[number];

/** What a profile tells of such requests: each sample, its leaf, and who awaits that. */
function hangingIn({ stacks }: DecodedProfile, { route }: Hanging): unknown[] {
  return stacks
    .filter(({ labels }) => labels.route === route)
    .map(({ frames, ...sample }) => ({ ...sample, frames: frames.slice(0, 2).map(placeOf) }));
}

function expected(row: Hanging): unknown[] {
  const { count, state, route } = row;
  return [{ values: { goroutine: count }, labels: { route, state }, frames: framesOf(row) }];
}

function framesOf({ what, leaf, handler }: Hanging): DecodedFrame[] {
  return [
    { name: leaf, file: CATS.path, line: WAITS.get(what)! },
    { name: handler, file: CATS.path, line: ASKS.get(what)! },
  ];
}

function placeOf({ name, file, line }: DecodedFrame): DecodedFrame {
  return { name, file, line };
}

/** Has a frame of the application. */
function isOfApp({ frames }: DecodedStack): boolean {
  return frames.some(({ file }) => file === CATS.path || file === WAYS.path);
}

/** Where those of ways.ts hang, by the line. */
async function waysIn(app: Workload): Promise<{ line: number; state: string | undefined; count: number }[]> {
  const { stacks } = await app.profile('goroutine');
  return stacks
    .flatMap(({ frames, labels: { state, route }, values: { goroutine: count } }) => {
      const at = frames.find(({ file }) => file === WAYS.path);
      return at && route === 'GET /ways/:way' ? [{ line: at.line, state, count: count! }] : [];
    })
    .sort((a, b) => a.line - b.line);
}

async function isHooked(app: Workload): Promise<boolean> {
  return (await app.post<{ is: boolean }>('isHooked')).is;
}

async function text(app: Workload, path: string, type = 'text/plain; charset=utf-8'): Promise<string> {
  const { status, text, headers } = await request(app.pprof(path));
  expect({ status, type: headers['content-type'] }).toEqual({ status: 200, type });
  return text;
}
