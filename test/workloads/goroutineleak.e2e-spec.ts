import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ADAPTERS } from '../support/app.js';
import { readCounts } from '../support/counts.js';
import { readDump } from '../support/dump.js';
import { describeGo, goPprof, topRows } from '../support/go.js';
import { request } from '../support/http.js';
import { type DecodedProfile, startWorkload, TestProcess, type Workload } from '../support/process.js';
import { buildTypeScript, MarkedSource } from '../support/typescript.js';
import { until } from '../support/until.js';

const LEAKS = new MarkedSource('waiting/leaks.ts');

/** Where they wait for ever, by their route. */
const PLACES = LEAKS.marked('leaks');
const LOST = [...PLACES.keys()];
/** Those that go on, or can. */
const HELD = ['held', 'race', 'timeout'];

let main: string;
beforeAll(async () => {
  main = await buildTypeScript('waiting-esm');
}, 60_000);
afterEach(() => TestProcess.stopAll());

describe.each(ADAPTERS)('goroutineleak on %s', (adapter) => {
  it('has exactly those that can never go on, at the line of their await', async () => {
    const app = await start(adapter, { GOROUTINE_RATE: '1' });
    for (const route of LOST) await leak(app, route, 20);
    for (const route of HELD) await leak(app, route, 20);
    const profile = await until(() => app.profile('goroutineleak'), foundAll(20));
    expect(leaksIn(profile)).toEqual(expected(20));
    expect(profile.total('goroutineleak')).toBe(20 * LOST.length);
    expect(profile.sampleTypes).toEqual(['goroutineleak']);

    // They stay, and none is found twice.
    await leak(app, 'lost', 5);
    const more = await until(() => app.profile('goroutineleak'), foundAll(20, { lost: 25 }));
    expect(leaksIn(more)).toEqual(expected(20, { lost: 25 }));
    expect(leaksIn(await app.profile('goroutineleak'))).toEqual(expected(20, { lost: 25 }));

    // What leaks is under way no more.
    const { stacks } = await app.profile('goroutine');
    const waiting = stacks.flatMap(({ frames, values }) => {
      const at = frames.find(({ file }) => file === LEAKS.path);
      return at ? [[at.line, values.goroutine]] : [];
    });
    expect(waiting).toEqual([[LEAKS.ending('held')[0], 20]]);
  });

  it('has them in both texts', async () => {
    const app = await start(adapter, { GOROUTINE_RATE: '1' });
    await leak(app, 'lost', 7);
    await leak(app, 'held', 3);
    await until(
      () => app.profile('goroutineleak'),
      ({ samples }) => samples.length > 0,
    );
    const counts = readCounts(await text(app, 'goroutineleak?debug=1'));
    expect(counts).toMatchObject({
      name: 'goroutineleak',
      total: 7,
      records: [{ count: 7, labels: { route: 'GET /leaks/lost', state: 'chan receive' } }],
    });
    expect(counts.records[0]!.frames[0]).toMatchObject({ file: LEAKS.path, line: PLACES.get('lost') });

    const dump = readDump(await text(app, 'goroutineleak?debug=2'));
    const ours = dump.filter(({ frames: [leaf] }) => leaf!.file === LEAKS.path);
    const leaked = ours.filter(({ isLeaked }) => isLeaked);
    expect(leaked.reduce((sum, { labels }) => sum + Number(labels.count ?? 1), 0)).toBe(7);
    for (const { state, frames, labels } of leaked) {
      expect(state).toBe('chan receive');
      expect(frames[0]).toMatchObject({ line: PLACES.get('lost') });
      expect(labels.route).toBe('GET /leaks/lost');
    }
    expect(ours.filter(({ isLeaked }) => !isLeaked)).toHaveLength(3);
  });

  it('finds what leaks in a window, and no more', async () => {
    const app = await start(adapter);
    await leak(app, 'deep', 5); // before it
    const window = app.profile('goroutineleak?seconds=4');
    await until(() => isHooked(app), Boolean);
    await leak(app, 'lost', 10);
    await leak(app, 'held', 10);
    const profile = await window;
    expect(leaksIn(profile)).toEqual([['lost', PLACES.get('lost'), 10]]);
    expect(profile.durationNanos / 1e9).toBeGreaterThan(3.9);
    await until(
      () => isHooked(app),
      (is) => !is,
    );
    await leak(app, 'event', 5); // after it
    expect(leaksIn(await app.profile('goroutineleak'))).toEqual([['lost', PLACES.get('lost'), 10]]);
    const empty = await app.profile('goroutineleak?seconds=1');
    expect(empty.samples).toEqual([]);
    expect(empty.sampleTypes).toEqual(['goroutineleak']);
  });
});

describeGo('go tool pprof reads goroutineleak', () => {
  it.each(['goroutineleak', 'goroutineleak?debug=1'])('from %s', async (path) => {
    const app = await start('fastify', { GOROUTINE_RATE: '1' });
    await leak(app, 'deep', 7);
    await until(
      () => app.profile('goroutineleak'),
      ({ samples }) => samples.length > 0,
    );
    const rows = topRows(await goPprof('-top', app.pprof(path)));
    expect(rows.get('deep')).toMatchObject({ flat: '7' });
    expect(rows.get('LeaksController.deep')).toMatchObject({ flat: '0', cum: '7' });
  });
});

function start(adapter: string, env: Readonly<Record<string, string>> = {}): Promise<Workload> {
  return startWorkload(main, { env: { ADAPTER: adapter, ...env } });
}

/** Makes requests, and waits until all of them wait, or are answered where they go on. */
async function leak(app: Workload, route: string, count: number): Promise<void> {
  await app.post('forget');
  const answers = Array.from({ length: count }, () => request(`${app.url}/leaks/${route}`));
  await until(
    () => app.post<Record<string, number>>('begun'),
    (begun) => begun[route] === count,
  );
  if (HELD.includes(route) && route !== 'held') await Promise.all(answers);
  else for (const answer of answers) answer.catch(() => {}); // the service ends before they do
}

/** Route, line and number of what has leaked. */
type Leak = readonly [route: string, line: number | undefined, count: number | undefined];

function leaksIn({ stacks }: DecodedProfile): Leak[] {
  return stacks
    .map(({ frames, values, labels }): Leak => {
      const at = frames.find(({ file }) => file === LEAKS.path);
      return [labels.route!.replace('GET /leaks/', ''), at?.line, values.goroutineleak];
    })
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

function expected(each: number, others: Readonly<Record<string, number>> = {}): Leak[] {
  return [...LOST].sort().map((route) => [route, PLACES.get(route), others[route] ?? each]);
}

/** V8 may take a collection more until it tells of all that it has collected. */
function foundAll(
  each: number,
  others?: Readonly<Record<string, number>>,
): (profile: DecodedProfile) => boolean {
  const count = expected(each, others).reduce((sum, [, , one]) => sum + one!, 0);
  return (profile) => profile.total('goroutineleak') >= count;
}

async function isHooked(app: Workload): Promise<boolean> {
  return (await app.post<{ is: boolean }>('isHooked')).is;
}

async function text(app: Workload, path: string): Promise<string> {
  return (await request(app.pprof(path))).text;
}
