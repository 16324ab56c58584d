import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ADAPTERS } from '../support/app.js';
import { describeGo, goPprof, topRows } from '../support/go.js';
import { request } from '../support/http.js';
import {
  type DecodedProfile,
  type DecodedStack,
  startWorkload,
  TestProcess,
  type Workload,
} from '../support/process.js';
import { buildTypeScript, MarkedSource } from '../support/typescript.js';
import { until } from '../support/until.js';

const WAITS = new MarkedSource('waiting/waits.ts');
const PLACES = WAITS.marked('waits');

/** What was waited at one place. */
interface Waited {
  readonly count: number;
  readonly ms: number;
}

/** What the service has measured itself, and for how many ms the machine ran something else meanwhile. */
interface Measured extends Waited {
  readonly preempted: number;
}
type Taken = Readonly<Record<string, Measured>>;

/** What the service answers. */
interface Answer {
  readonly measured: Readonly<Record<string, Waited>>;
  readonly lost: readonly string[];
  readonly preempted: number;
}

/** The kinds of waits.ts, and the places where they wait: so often for each time that one is run. */
const KINDS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  method: { leaf: 1 },
  'return a promise': { leaf: 1 },
  'timers/promises': { 'timers/promises': 1 },
  promisified: { promisified: 1 },
  lock: { lock: 1 },
  socket: { connect: 1, socket: 1 },
  'slow stream': { connect: 1, 'slow stream': 3 },
  pipeline: { connect: 1, pipeline: 3 },
  fetch: { fetch: 1 },
  'promise by an async function': { leaf: 1, 'promise by an async function': 1 },
  'returned promise': { leaf: 1, 'returned promise': 1 },
  'promise of a callback': { leaf: 1, 'promise of a callback': 1 },
  nested: { 'nested first': 1, 'nested second': 1, 'nested third': 1, 'nested fourth': 1 },
  thenable: { thenable: 1 },
  'thenable of a promise': { 'thenable of a promise': 1 },
  'class of promises': { 'class of promises': 1 },
  chain: { chain: 1 },
  'async generator': { 'async generator': 2 },
  'events.on': { 'events.on': 2 },
  rejection: { rejection: 1 },
  all: { leaf: 2 },
  race: { leaf: 2, loser: 1 },
  'all of plain promises': { all: 1 },
  'race of plain promises': { race: 1 },
};
const ALL = Object.keys(KINDS);

const TIMES = 100;
const TOLERANCE = 0.05;

let main: string;
beforeAll(async () => {
  main = await buildTypeScript('waiting-esm');
}, 60_000);

describe.each(ADAPTERS)('block on %s, of 100 waits of 50 ms each', (adapter) => {
  let app: Workload;
  let taken: Taken;
  let profile: DecodedProfile;

  beforeAll(async () => {
    app = await start(adapter, { BLOCK_RATE: '1' });
    taken = { ...(await wait(app, ALL)), ...(await bareCallbacks(app)) };
    profile = await app.profile('block');
  });
  afterAll(() => TestProcess.stopAll());

  it.each(ALL)('has as many as there were: %s', (kind) => {
    for (const place of Object.keys(KINDS[kind]!)) {
      const count = ALL.reduce((sum, one) => sum + (KINDS[one]![place] ?? 0) * TIMES, 0);
      expect([place, taken[place]?.count]).toEqual([place, count]);
      expect([place, told(profile, place).count]).toEqual([place, count]);
    }
  });

  it.each(ALL)('has their time as the service has measured it: %s', (kind) => {
    const ours = Object.keys(KINDS[kind]!).map((place) => [place, taken[place]!] as const);
    expect(wrong(profile, Object.fromEntries(ours))).toEqual([]);
  });

  it('has callbacks without any promise', () => {
    expect(taken['bare callback']!.count).toBe(TIMES);
    expect(wrong(profile, { 'bare callback': taken['bare callback']! })).toEqual([]);
  });

  it('counts no wait for who awaits those, or for a timer that was cleared', () => {
    const lines = new Set(WAITS.ending('no wait'));
    expect(lines.size).toBeGreaterThan(10);
    const there = inWaits(profile).filter(({ line }) => lines.has(line));
    expect(there.filter(({ ms }) => ms > 1)).toEqual([]);
  });

  it('counts each wait once: no more than was waited altogether', () => {
    const ours = inWaits(profile).reduce((sum, { ms }) => sum + ms, 0);
    const measured = Object.values(taken).reduce((sum, { ms }) => sum + ms, 0);
    expect(off(ours, measured)).toBeLessThan(TOLERANCE);
  });

  describeGo('go tool pprof', () => {
    it.each(['block', 'block?debug=1'])('reads the same from %s', async (path) => {
      const count = topRows(await goPprof('-top', '-nodecount=1000', '-contentions', app.pprof(path)));
      expect(count.get('Nested.fourth')).toMatchObject({ flat: String(TIMES), cum: String(TIMES) });
      expect(count.get('Nested.first')).toMatchObject({ flat: String(TIMES), cum: String(4 * TIMES) });
      const delay = await goPprof('-top', '-nodecount=1000', '-unit=ms', app.pprof(path));
      const ms = Number.parseFloat(topRows(delay).get('Nested.fourth')!.flat);
      expect(isTime(ms, taken['nested fourth']!)).toBe(true);
    });
  });
});

describe.each(ADAPTERS)('block on %s', (adapter) => {
  afterEach(() => TestProcess.stopAll());

  it('is switched on and off while the service runs, and keeps what it has', async () => {
    const app = await start(adapter);
    const set = async (order: string): Promise<number> => (await app.post<{ old: number }>(order)).old;
    await wait(app, ['method'], FEW);
    expect(inWaits(await app.profile('block'))).toEqual([]);
    expect(await set('blockAll')).toBe(0);
    await wait(app, ['method'], FEW);
    expect(told(await app.profile('block'), 'leaf').count).toBe(FEW.times);
    expect(await set('block16')).toBe(1);
    expect(await set('blockOff')).toBe(16);
    await wait(app, ['method'], FEW);
    expect(told(await app.profile('block'), 'leaf').count).toBe(FEW.times);
    expect(await set('blockOff')).toBe(0);
  });

  it('is on for a window, and tells what has ended in it', async () => {
    const app = await start(adapter);
    await wait(app, ['method'], FEW);
    const window = app.profile('block?seconds=3');
    await until(() => isHooked(app), Boolean);
    const taken = await wait(app, ['method', 'nested'], FEW);
    const profile = await window;
    expect(profile.durationNanos / 1e9).toBeGreaterThan(2.9);
    for (const place of ['leaf', 'nested fourth']) {
      expect(told(profile, place).count).toBe(FEW.times);
      expect(isTime(told(profile, place).ms, taken[place]!)).toBe(true);
    }
    const empty = await app.profile('block?seconds=1');
    expect(inWaits(empty)).toEqual([]);
    expect(empty.sampleTypes).toEqual(['contentions', 'delay']);
  });
});

describe('block', () => {
  afterEach(() => TestProcess.stopAll());

  it('tells a file', async () => {
    const app = await start('fastify', { BLOCK_RATE: '1' });
    const taken = await wait(app, ['file'], { times: 5, atOnce: 1, ms: 50 });
    const profile = await app.profile('block');
    expect(told(profile, 'file').count).toBe(5);
    expect(isTime(told(profile, 'file').ms, taken.file!)).toBe(true);
  });

  it('tells one wait in 16, as if it were 16', async () => {
    const app = await start('fastify', { BLOCK_RATE: '16' });
    // Of 16,000 a sixteenth is within 15 %, but once in a million times.
    const kinds = ['method', 'timers/promises', 'lock'];
    const taken = await wait(app, kinds, { times: 16_000, atOnce: 2000, ms: 4 });
    const profile = await app.profile('block');
    for (const place of kinds.flatMap((kind) => Object.keys(KINDS[kind]!))) {
      const { count, ms } = told(profile, place);
      expect(count % 16).toBe(0);
      expect(off(count, taken[place]!.count)).toBeLessThan(0.15);
      expect(off(ms, taken[place]!.ms)).toBeLessThan(0.15);
    }
  });
});

describe.each([
  ['with a hook of its own', { OWN_HOOK: '1' }],
  ['that tracks its awaits too', { GOROUTINE_RATE: '1' }],
])('block in an application %s', (_, env) => {
  afterAll(() => TestProcess.stopAll());

  it('tells the same, and does not come between', async () => {
    const app = await start('fastify', { BLOCK_RATE: '1', ...env });
    const before = await app.post<Record<string, number>>('hooked');
    const taken = await wait(app, ALL, SOME);
    const profile = await app.profile('block');
    expect(wrong(profile, taken)).toEqual([]);
    const hooked = await app.post<Record<string, number>>('hooked');
    const counted = Object.entries(hooked).filter(([name, count]) => count > before[name]! + SOME.times);
    expect(counted.map(([name]) => name)).toEqual('OWN_HOOK' in env ? Object.keys(hooked) : []);
  });
});

describe('block in an application that survives what it does not catch', () => {
  afterAll(() => TestProcess.stopAll());

  it('goes on as before', async () => {
    const app = await start('express', { BLOCK_RATE: '1', GOROUTINE_RATE: '1' });
    for (let round = 1; round <= 3; round++) {
      await app.post('throwUncaught');
      await until(
        () => app.post<{ survived: number }>('survived'),
        ({ survived }) => survived === 3 * round,
      );
    }
    const taken = await wait(app, ALL, SOME);
    const profile = await app.profile('block');
    expect(wrong(profile, taken)).toEqual([]);
  });
});

/** Enough to see that they are told as they were. */
const SOME = { times: 40, atOnce: 20, ms: 40 };

/** Enough to see that they are told. */
const FEW = { times: 20, atOnce: 20, ms: 20 };

function start(adapter: string, env: Readonly<Record<string, string>> = {}): Promise<Workload> {
  return startWorkload(main, { env: { ADAPTER: adapter, ...env } });
}

/** Runs kinds beside each other: what the service has measured, which has lost no context of its own. */
async function wait(
  app: Workload,
  kinds: readonly string[],
  how = { times: TIMES, atOnce: 10, ms: 50 },
): Promise<Taken> {
  const { status, text } = await request(`${app.url}/waits`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ kinds, ...how }),
  });
  expect({ status, text: status === 201 || text }).toEqual({ status: 201, text: true });
  return takenOf(JSON.parse(text) as Answer);
}

function takenOf({ measured, lost, preempted }: Answer): Taken {
  expect(lost).toEqual([]);
  return Object.fromEntries(
    Object.entries(measured).map(([place, waited]) => [place, { ...waited, preempted }]),
  );
}

/** A hundred requests whose handlers answer by a callback of a timer. */
async function bareCallbacks(app: Workload): Promise<Taken> {
  const answers = await Promise.all(Array.from({ length: TIMES }, () => request(`${app.url}/waits/bare/50`)));
  expect(answers.map(({ text }) => text)).toEqual(answers.map(() => 'late'));
  return takenOf(await app.post<Answer>('waits/taken'));
}

async function isHooked(app: Workload): Promise<boolean> {
  return (await app.post<{ is: boolean }>('isHooked')).is;
}

/** What is told of a place that is marked. */
function told(profile: DecodedProfile, place: string): Waited {
  const there = inWaits(profile).filter(({ line }) => line === PLACES.get(place));
  return {
    count: there.reduce((sum, { count }) => sum + count, 0),
    ms: there.reduce((sum, { ms }) => sum + ms, 0),
  };
}

/** The places of which something else is told than the service has measured. */
function wrong(profile: DecodedProfile, taken: Taken): unknown[] {
  return Object.entries(taken).flatMap(([place, measured]) => {
    const { count, ms } = told(profile, place);
    return count === measured.count && isTime(ms, measured) ? [] : [{ place, count, ms, measured }];
  });
}

/** The service reads its clock a little before and a little after, and the machine may run something else in between. */
function isTime(ms: number, { count, ms: measured, preempted }: Measured): boolean {
  return off(ms, measured) < TOLERANCE || Math.abs(ms - measured) < 0.1 * count + preempted;
}

/** The samples of waits.ts, by the line of its innermost frame. */
function inWaits({ stacks }: DecodedProfile): (Waited & { readonly line: number })[] {
  return stacks.flatMap(({ frames, values }: DecodedStack) => {
    const at = frames.find(({ file }) => file === WAITS.path);
    return at ? [{ line: at.line, count: values.contentions!, ms: values.delay! / 1e6 }] : [];
  });
}

/** How far off a value is, as a part of what it should be. */
function off(value: number, expected: number): number {
  return Math.abs(value / expected - 1);
}
