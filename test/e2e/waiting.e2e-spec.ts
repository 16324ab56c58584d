import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Controller, Get } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { AsyncTracker, ProfilerArgumentError, ProfilerService } from '../../src/index.js';
import { asyncHook } from '../../src/sampling/async-hook.js';
import { ADAPTERS, type AppSetup, closeApps, shortWindows, startApp, type TestApp } from '../support/app.js';
import { until } from '../support/async.js';
import { brokenRows, file, HEAD, notAllowed, refused, text, TEXTS } from '../support/contract.js';
import { DecodedProfile } from '../support/decoded-profile.js';
import { describeGo, goPprof } from '../support/go.js';
import { type Goroutine, parseDump } from '../support/goroutine-dump.js';
import { type Answer, request } from '../support/http.js';
import { SCRAPER_RULES } from '../support/scraper-rules.js';

const indirectEval = eval; // oxlint-disable-line no-eval -- called so, it is global code of Jest's own realm

/**
 * Functions in a file of which every line is known. Not `runInThisContext`: Jest has a `Promise` of its own, and to await
 * that of another realm makes a promise more.
 */
const { onPromise, onTimer, onSocket, stuck, nap, fourDeep, callBack } = indirectEval(
  `({ async onPromise(promise) {
  await promise;
}, async onTimer(signal) {
  await new Promise((resolve) => {
    const timer = setTimeout(resolve, 2 ** 30);
    signal.addEventListener('abort', () => resolve(clearTimeout(timer)));
  });
}, async onSocket(connect) {
  await new Promise((resolve) => connect(resolve));
}, async stuck() {
  await new Promise(() => {});
}, async nap() {
  await new Promise((resolve) => setTimeout(resolve, 1));
}, async fourDeep(nap) {
  const one = async () => { await nap(); };
  const two = async () => { await one(); };
  await two();
}, callBack(done) {
  setTimeout(done, 1);
} })
//# sourceURL=/app/src/cats.service.js`,
) as {
  onPromise(promise: Promise<unknown>): Promise<void>;
  onTimer(signal: AbortSignal): Promise<void>;
  onSocket(connect: (resolve: () => void) => void): Promise<void>;
  stuck(): Promise<void>;
  nap(): Promise<void>;
  fourDeep(nap: () => Promise<void>): Promise<void>;
  callBack(done: () => void): void;
};

/** Those, with their lines. */
const LINES = { onPromise: 2, onTimer: 4, onSocket: 9, stuck: 11, nap: 13 };

/** What hanging handlers wait for ends with this. */
let ending: AbortController;
let opened: Promise<void>;
let open: () => void;
let silent: Server;
const held: (() => void)[] = [];
const replies: Promise<unknown>[] = [];

@Controller('cats')
class CatsController {
  @Get('promise/:id')
  async onPromise(): Promise<void> {
    await onPromise(opened);
  }

  @Get('timer/:id')
  async onTimer(): Promise<void> {
    await onTimer(ending.signal);
  }

  @Get('socket/:id')
  async onSocket(): Promise<void> {
    await onSocket((resolve) => {
      const { port } = silent.address() as AddressInfo;
      const socket = connect(port, '127.0.0.1').once('close', resolve);
      ending.signal.addEventListener('abort', () => socket.destroy());
    });
  }

  @Get('stuck/:id')
  stuck(): Promise<void> {
    return stuck();
  }

  @Get('held/:id')
  async held(): Promise<void> {
    await onPromise(new Promise<void>((resolve) => held.push(resolve)));
  }

  @Get('nothing')
  nothing(): string {
    return 'nothing';
  }
}

const CATS: AppSetup = { controllers: [CatsController] };
const ALL: AppSetup = { ...CATS, pprof: { goroutineProfileRate: 1, blockProfileRate: 1 } };

beforeEach(async () => {
  ending = new AbortController();
  opened = new Promise((resolve) => (open = resolve));
  silent = createServer().listen(0, '127.0.0.1');
  await once(silent, 'listening');
});

afterEach(async () => {
  end();
  await closeApps();
  await Promise.all(replies.splice(0));
  await once(silent.close(), 'close');
  if (asyncHook().isOn) throw new Error('a closed application left the hook on');
});

/** Lets the handlers finish that can. */
function end(): void {
  open();
  ending.abort();
  for (const resolve of held.splice(0)) resolve();
}

/** Sends requests, and waits until all of them are in their handlers. */
async function hang(app: TestApp, ...paths: string[]): Promise<void> {
  const profiler = app.app.get(ProfilerService);
  const before = profiler.requestsInFlight().length;
  for (const path of paths)
    replies.push(request(`${app.url}/cats/${path}`, { signal: ending.signal }).catch(() => {}));
  await until(
    async () => {
      await nextTurn();
      return profiler.requestsInFlight().filter(({ handler }) => handler).length;
    },
    (count) => (count === before + paths.length ? [] : [count]),
  );
}

const get = ({ base }: TestApp, path: string): Promise<Answer> => request({ base, path: `/${path}` });

async function read(app: TestApp, path: string): Promise<DecodedProfile> {
  return new DecodedProfile((await get(app, path)).body);
}

async function dump(app: TestApp, name = 'goroutine'): Promise<Goroutine[]> {
  return parseDump((await get(app, `${name}?debug=2`)).text);
}

/** Those of requests; this process waits for their replies, too. */
const ofRequests = (blocks: Goroutine[]): Goroutine[] => blocks.filter(({ labels }) => labels.route);

/** How often each function is innermost, of those in the file. */
const leavesOf = (stacks: readonly (readonly string[])[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const [leaf] of stacks)
    if (leaf !== undefined && leaf in LINES) counts[leaf] = (counts[leaf] ?? 0) + 1;
  return counts;
};

const placeOf = (name: keyof typeof LINES): unknown =>
  expect.objectContaining({ name, file: '/app/src/cats.service.js', line: LINES[name] });

const contractOf = (name: string, total: RegExp) => [
  file(`/${name}`, name, 'a profile'),
  file(`/${name}?gc=1&hz=0&debug=x`, name, 'other parameters are ignored'),
  file(`/${name}`, name, 'HEAD sends the same headers', HEAD),
  file(`/${name}?seconds=1`, `${name}-delta`, 'a window'),
  text(`/${name}?debug=1`, 'text', { text: total }),
  text(`/${name}?debug=-1`, 'text', { text: total }),
  refused(`/${name}?seconds=0`, 400, TEXTS.badSeconds),
  refused(`/${name}?seconds=301`, 400, TEXTS.tooLong(300)),
  refused(`/${name}?seconds=1&debug=1`, 400, TEXTS.incompatible),
  refused(`/${name}?seconds=1&debug=2`, 400, TEXTS.incompatible),
  refused(`/${name}?format=cpuprofile`, 400, TEXTS.badFormat('speedscope')),
  refused(`/${name}/`, 404, TEXTS.unknown),
  notAllowed(`/${name}`, 'POST', { body: 'x' }),
];

/** What `go tool pprof` shows first. */
const TOP: Record<string, string> = {
  goroutine: 'goroutine',
  goroutineleak: 'goroutineleak',
  block: 'delay',
};

const PROFILES = [
  {
    name: 'goroutine',
    types: ['goroutine/count'],
    period: 'goroutine/count',
    total: /^goroutine profile: total \d+\n/,
  },
  {
    name: 'goroutineleak',
    types: ['goroutineleak/count'],
    period: 'goroutineleak/count',
    total: /^goroutineleak profile: total 0\n/,
  },
  {
    name: 'block',
    types: ['contentions/count', 'delay/nanoseconds'],
    period: 'contentions/count',
    total: /^--- contention:\ncycles\/second=1000000000\n/,
  },
];

describe.each(ADAPTERS)('what a service waits for, on %s', (adapter) => {
  it.each(PROFILES)(
    '$name follows the contract of named profiles while it is off',
    async ({ name, total }) => {
      const app = await startApp(adapter, CATS);
      shortWindows(app);
      expect(await brokenRows(app.base, contractOf(name, total))).toEqual([]);
    },
  );

  it.each(PROFILES)(
    "$name has Go's types and follows the rules of scrapers",
    async ({ name, types, period }) => {
      const app = await startApp(adapter, ALL);
      shortWindows(app);
      for (const path of [name, `${name}?seconds=1`]) {
        const profile = await read(app, path);
        expect(profile.sampleTypes.map((type, i) => `${type}/${profile.units[i]}`)).toEqual(types);
        expect([profile.periodType, profile.period]).toEqual([period, 1]);
        expect(profile.durationNanos > 0).toBe(path !== name);
        expect(SCRAPER_RULES.filter(({ holds }) => !holds(profile.raw)).map(({ title }) => title)).toEqual(
          [],
        );
      }
    },
  );

  it('goroutine shows each pending await at its line, with its route and state, in all three forms', async () => {
    const app = await startApp(adapter, ALL);
    await hang(app, 'promise/1', 'promise/2', 'promise/3', 'socket/1', 'socket/2', 'timer/1');
    const counts = { onPromise: 3, onSocket: 2, onTimer: 1 };
    const profile = await read(app, 'goroutine');
    for (const [name, count] of Object.entries(counts)) expect(profile.flat('goroutine', name)).toBe(count);
    for (const name of ['onPromise', 'onTimer', 'onSocket'] as const)
      expect(profile.places).toContainEqual(placeOf(name));

    const { text } = await get(app, 'goroutine?debug=1');
    for (const [name, count, labels] of [
      ['onPromise', 3, '{"route":"GET /cats/promise/:id", "state":"chan receive"}'],
      ['onSocket', 2, '{"route":"GET /cats/socket/:id", "state":"IO wait"}'],
      ['onTimer', 1, '{"route":"GET /cats/timer/:id", "state":"sleep"}'],
    ] as const)
      expect(text).toMatch(
        new RegExp(`\\n${count} @[^#]*\\n# labels: ${labels}\\n#\\t0x[0-9a-f]+\\t+${name}\\+0x0\\t`),
      );

    const blocks = await dump(app);
    expect(leavesOf(blocks.map(({ stack }) => stack.map(({ name }) => name)))).toEqual(counts);
    expect(blocks[0]!.state).toBe('running');
    expect(ofRequests(blocks).map(({ state }) => state)).toEqual([
      ...Array.from({ length: 3 }, () => 'chan receive'),
      'IO wait',
      'IO wait',
      'sleep',
    ]);
    const timer = ofRequests(blocks).at(-1)!;
    expect(timer).toMatchObject({
      labels: { route: 'GET /cats/timer/:id' },
      createdBy: { name: 'CatsController.onTimer', in: expect.any(Number) as unknown },
    });
    expect(timer.stack[0]).toEqual({
      name: 'onTimer',
      file: '/app/src/cats.service.js',
      line: LINES.onTimer,
    });
  });

  it('goroutine counts no request of which it shows an await, and nothing that has ended', async () => {
    const app = await startApp(adapter, ALL);
    await hang(app, 'promise/1', 'timer/1');
    expect(ofRequests(await dump(app)).map(({ stack: [leaf] }) => leaf!.name)).toEqual([
      'onPromise',
      'onTimer',
    ]);
    end();
    await Promise.all(replies.splice(0));
    const rest = await until(
      async () => ofRequests(await dump(app)),
      (blocks) => blocks,
    );
    expect(rest).toEqual([]);
    const profile = await read(app, 'goroutine');
    expect([profile.flat('goroutine', 'onPromise'), profile.flat('goroutine', 'onTimer')]).toEqual([0, 0]);
  });

  it('goroutine without a rate shows requests by their handlers and active resources, and says how to see more', async () => {
    const app = await startApp(adapter, CATS);
    await hang(app, 'promise/1', 'promise/2', 'timer/1');
    const profile = await read(app, 'goroutine');
    expect(profile.flat('goroutine', 'CatsController.onPromise')).toBe(2);
    expect(profile.flat('goroutine', 'CatsController.onTimer')).toBe(1);
    expect(profile.cumulative('goroutine', '(active resources)')).toBeGreaterThan(0);
    const hint =
      'tracking of awaits is off: set the option goroutineProfileRate or call profiler.setGoroutineProfileRate(n); seconds=N switches it on for the window (every await, which can slow the service down several times)';
    expect(profile.comments[0]).toBe(hint);
    const { text } = await get(app, 'goroutine?debug=2');
    expect(text).toMatch(
      /^tracking of awaits is off: .*\nactive resources: (\d+ \w+, )*\d+ \w+\n\ngoroutine 1 \[running\]:\n/,
    );
    const blocks = parseDump(text);
    expect(blocks.map(({ stack: [leaf], labels }) => [leaf!.name, labels]).slice(1)).toEqual([
      ['CatsController.onPromise', { route: 'GET /cats/promise/:id' }],
      ['CatsController.onPromise', { route: 'GET /cats/promise/:id' }],
      ['CatsController.onTimer', { route: 'GET /cats/timer/:id' }],
    ]);
  });

  it('goroutine?seconds=N tracks the awaits that begin in the window, and nothing afterwards', async () => {
    const app = await startApp(adapter, CATS);
    const profile = app.app.get(ProfilerService).lookup('goroutine')!;
    const window = await profile.openWindow();
    expect(profile.status).toBe('on: every await');
    await hang(app, 'promise/1', 'promise/2');
    const delta = new DecodedProfile(await (await window.end()).encode());
    expect(delta.flat('goroutine', 'onPromise')).toBe(2);
    window.close();
    expect(profile.status).toMatch(/^off: /);
    expect((await read(app, 'goroutine')).flat('goroutine', 'onPromise')).toBe(0);
  });

  it('goroutineleak finds awaits of promises that nobody can settle, at their line, and no others', async () => {
    const app = await startApp(adapter, ALL);
    await hang(app, 'stuck/1', 'stuck/2', 'held/1', 'timer/1', 'socket/1');
    const found = await until(
      () => read(app, 'goroutineleak'),
      (profile) => (profile.total('goroutineleak') < 2 ? [profile.total('goroutineleak')] : []),
    );
    expect([found.flat('goroutineleak', 'stuck'), found.total('goroutineleak')]).toEqual([2, 2]);
    expect(found.places).toContainEqual(placeOf('stuck'));
    expect((await dump(app, 'goroutineleak')).map(({ state, labels }) => [state, labels])).toEqual([
      ['chan receive (leaked)', { route: 'GET /cats/stuck/:id' }],
      ['chan receive (leaked)', { route: 'GET /cats/stuck/:id' }],
    ]);
    expect((await read(app, 'goroutine')).flat('goroutine', 'stuck')).toBe(2);
    const states = ofRequests(await dump(app)).map(({ state }) => state);
    expect(states.slice(0, 2)).toEqual(['chan receive (leaked)', 'chan receive (leaked)']);
  });

  it('goroutineleak keeps what it has found, and its window shows what is new', async () => {
    const app = await startApp(adapter, ALL);
    await hang(app, 'stuck/1');
    const profile = app.app.get(ProfilerService).lookup('goroutineleak')!;
    await until(
      () => read(app, 'goroutineleak'),
      (found) => (found.total('goroutineleak') === 1 ? [] : [found]),
    );
    const window = await profile.openWindow();
    await hang(app, 'stuck/2');
    const delta = await until(
      async () => new DecodedProfile(await (await window.end()).encode()),
      (found) => (found.total('goroutineleak') === 1 ? [] : [found]),
    );
    expect(delta.flat('goroutineleak', 'stuck')).toBe(1);
    window.close();
    expect((await read(app, 'goroutineleak')).total('goroutineleak')).toBe(2);
  });

  it('block counts a wait once, at its innermost await, when it has ended', async () => {
    const app = await startApp(adapter, { ...CATS, pprof: { blockProfileRate: 1 } });
    for (let i = 0; i < 3; i++) await fourDeep(nap);
    const profile = await read(app, 'block');
    const counts = [profile.flat('contentions', 'nap'), profile.cumulative('contentions', 'fourDeep')];
    expect(counts).toEqual([3, 3]);
    expect(profile.flat('delay', 'nap')).toBeGreaterThan(0);
    expect(profile.places).toContainEqual(placeOf('nap'));
  });

  it('block counts a wait for a callback at the line of the call', async () => {
    const app = await startApp(adapter, { ...CATS, pprof: { blockProfileRate: 1 } });
    const called: string[] = [];
    callBack(() => called.push('now'));
    while (called.length === 0) await nextTurn();
    expect((await read(app, 'block')).cumulative('contentions', 'callBack')).toBe(1);
  });

  it('block counts one wait in N for N', async () => {
    const app = await startApp(adapter, { ...CATS, pprof: { blockProfileRate: 7 } });
    const { counts } = await until(
      async () => {
        await nap();
        const profile = await read(app, 'block');
        return { counts: profile.flat('contentions', 'nap') };
      },
      ({ counts }) => (counts > 0 ? [] : ['a sample']),
    );
    expect(counts % 7).toBe(0);
  });

  it('block shows no wait of the library itself', async () => {
    const app = await startApp(adapter, ALL);
    for (const path of ['heap', 'goroutine', 'goroutine?debug=2', '']) await get(app, path);
    const { samples } = await read(app, 'block');
    expect(samples.filter(({ stack }) => stack.includes('NamedProfileEndpoint.serve'))).toEqual([]);
    expect(samples.filter(({ stack: [leaf] }) => leaf === 'runSliced')).toEqual([]);
  });

  it('block keeps its counts when it is switched off, and its window shows what is new', async () => {
    const app = await startApp(adapter, CATS);
    const profiler = app.app.get(ProfilerService);
    await nap();
    expect(profiler.setBlockProfileRate(1)).toBe(0);
    await nap();
    expect(profiler.setBlockProfileRate(0)).toBe(1);
    await nap();
    expect((await read(app, 'block')).flat('contentions', 'nap')).toBe(1);
    const window = await profiler.lookup('block')!.openWindow();
    await nap();
    const delta = new DecodedProfile(await (await window.end()).encode());
    window.close();
    expect(delta.flat('contentions', 'nap')).toBe(1);
    expect((await read(app, 'block')).flat('contentions', 'nap')).toBe(2);
  });

  it('setGoroutineProfileRate switches tracking on and off, and returns the rate before', async () => {
    const app = await startApp(adapter, CATS);
    const profiler = app.app.get(ProfilerService);
    expect(profiler.setGoroutineProfileRate(1)).toBe(0);
    await hang(app, 'promise/1');
    expect((await read(app, 'goroutine')).flat('goroutine', 'onPromise')).toBe(1);
    expect(() => profiler.setGoroutineProfileRate(-1)).toThrow(ProfilerArgumentError);
    expect(profiler.setGoroutineProfileRate(0)).toBe(1);
    expect((await read(app, 'goroutine')).flat('goroutine', 'onPromise')).toBe(0);
  });

  it('the index says of each whether it is on, and how to switch it on', async () => {
    const app = await startApp(adapter, { ...CATS, pprof: { blockProfileRate: 16 } });
    const { text } = await get(app, '');
    const statuses = [...text.matchAll(/<p class="status">([^<]*)<\/p>/g)].map(([, status]) => status);
    expect(statuses).toEqual(
      expect.arrayContaining([
        'on: one wait in 16',
        'off: set the option goroutineProfileRate or call profiler.setGoroutineProfileRate(n); seconds=N switches it on for the window (every await, which can slow the service down several times)',
      ]),
    );
  });

  it('the index links to the dump of goroutine and goroutineleak', async () => {
    const { text } = await get(await startApp(adapter, CATS), '');
    const links = [...text.matchAll(/href="([^"]*debug=2)"/g)].map(([, href]) => href);
    expect(links).toEqual(['goroutine?debug=2', 'goroutineleak?debug=2']);
  });

  it('twelve windows, half of them aborted, leave tracking off and nothing open', async () => {
    const app = await startApp(adapter, CATS);
    shortWindows(app);
    const attempts = Array.from({ length: 12 }, (_, i) => {
      const leaving = new AbortController();
      const name = ['goroutine', 'block'][(i >> 1) % 2]!;
      const attempt = request({ base: app.base, path: `/${name}?seconds=1` }, { signal: leaving.signal });
      if (i % 2) leaving.abort();
      return attempt.then(
        ({ status }) => status,
        () => 'aborted',
      );
    });
    expect([...new Set(await Promise.all(attempts))].toSorted()).toEqual([200, 'aborted']);
    await until(
      async () => {
        await nextTurn();
        return asyncHook().isOn;
      },
      (isOn) => (isOn ? ['off'] : []),
    );
    expect((await get(app, 'goroutine')).status).toBe(200);
  });

  it('AsyncTracker reports waits to those who observe, by request, until they stop', async () => {
    const app = await startApp(adapter, CATS);
    const waits: [name: string, ms: number][] = [];
    const observed = app.app.get(AsyncTracker).observe({
      rate: 1,
      callbacks: false,
      ended: ({ stack }, ms) => waits.push([stack.frames[0]!.name, ms]),
    });
    await hang(app, 'timer/1');
    expect([...observed.pending()].map(({ stack }) => stack.frames[0]!.name)).toContain('onTimer');
    end();
    await Promise.all(replies.splice(0));
    expect(waits.map(([name]) => name)).toContain('onTimer');
    observed.stop();
    expect([...observed.pending()]).toEqual([]);
  });
});

describeGo('go tool pprof', () => {
  it('-top reads the profiles of what a service waits for without a warning', async () => {
    const app = await startApp('express', ALL);
    await hang(app, 'promise/1', 'stuck/1');
    await nap();
    for (const path of ['goroutine', 'goroutine?debug=1', 'goroutineleak', 'block', 'block?debug=1'])
      expect(await goPprof('-top', `${app.base}/${path}`)).toContain(`Type: ${TOP[path.split('?')[0]!]}\n`);
  });
});
