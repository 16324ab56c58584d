import { connect } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import {
  DeltaCollector,
  PprofHandler,
  ProfilerArgumentError,
  ProfilerCanceledError,
  ProfilerService,
} from '../../src/index.js';
import type { ProfileWindow } from '../../src/profiling/named-profile.js';
import { ADAPTERS, closeApps, shortWindows, startApp, type TestApp } from '../support/app.js';
import { until } from '../support/async.js';
import { checkRow, type ContractRow, file, HEAD, refused, TEXTS } from '../support/contract.js';
import { DecodedProfile } from '../support/decoded-profile.js';
import { request } from '../support/http.js';

const PROFILES = ['heap', 'allocs'];

const delta = (name: string, query: string, promise: string, details?: Partial<ContractRow>): ContractRow =>
  file(`/${name}?${query}`, `${name}-delta`, promise, details);

const contractOf = (name: string): ContractRow[] => [
  ...['1', '%2B5', '5&seconds=0', '00000000000000000000001', '300'].map((seconds) =>
    delta(name, `seconds=${seconds}`, 'a window'),
  ),
  delta(name, 'seconds=1&debug=x', 'debug that is no number means 0'),
  delta(name, 'seconds=1&gc=1', 'gc is ignored'),
  delta(name, 'seconds=1', 'HEAD sends the same headers', HEAD),
  refused(`/${name}?seconds=0`, 400, TEXTS.badSeconds),
  refused(`/${name}?seconds=0&debug=1`, 400, TEXTS.badSeconds),
  refused(`/${name}?seconds=301&debug=1`, 400, TEXTS.tooLong(300)),
  refused(`/${name}?seconds=1&debug=1`, 400, TEXTS.incompatible),
];

const defaultTypeOf = ({ raw }: DecodedProfile): string | undefined =>
  raw.stringTable.strings[Number(raw.defaultSampleType)];

describe.each(ADAPTERS)('seconds= on %s', (adapter) => {
  let app: TestApp;
  let asked: ReturnType<typeof shortWindows>;
  beforeAll(async () => {
    app = await startApp(adapter);
    asked = shortWindows(app);
  });
  afterAll(closeApps);

  it.each(PROFILES.flatMap(contractOf))('$title', (row) =>
    expect(checkRow(app.base, row)).resolves.toBeUndefined(),
  );

  it.each([
    ['7', 7],
    ['%2B007', 7],
    ['3&seconds=9', 3],
  ])('heap?seconds=%s is a window of %d seconds', async (seconds, expected) => {
    await request(`${app.base}/heap?seconds=${seconds}`);
    expect(asked.at(-1)!.seconds).toBe(expected);
  });

  it.each(PROFILES)('%s?seconds=1 that nothing happens in is empty, and has its types', async (name) => {
    const profile = await profileOf(`/${name}?seconds=1`);
    const onHeap = profile.samples.filter(({ stack: [leaf] }) => !leaf!.startsWith('('));
    expect(onHeap).toEqual([]);
    expect(profile.sampleTypes).toEqual(['alloc_objects', 'alloc_space', 'inuse_objects', 'inuse_space']);
    expect([profile.periodType, profile.period]).toEqual(['space/bytes', 524_288]);
    expect(profile.durationNanos).toBeGreaterThan(0);
  });

  it('allocs?seconds=1 has alloc_space as its default sample type, as allocs has', async () => {
    for (const path of ['/allocs?seconds=1', '/allocs']) {
      expect(defaultTypeOf(await profileOf(path))).toBe('alloc_space');
    }
    expect(defaultTypeOf(await profileOf('/heap?seconds=1'))).toBe('');
  });

  async function profileOf(path: string): Promise<DecodedProfile> {
    return new DecodedProfile((await request({ base: app.base, path })).body);
  }
});

describe('a window', () => {
  let app: TestApp;
  let deltas: DeltaCollector;
  beforeEach(async () => {
    app = await startApp('express');
    deltas = app.app.get(DeltaCollector);
  });
  afterEach(closeApps);

  const open = (name: string): Promise<ProfileWindow> =>
    app.app.get(ProfilerService).lookup(name)!.openWindow();

  async function during(name: string, act: () => unknown): Promise<DecodedProfile> {
    const window = await open(name);
    act();
    return endOf(window);
  }

  /** Resolves when a window of the profile has been opened. */
  function opened(name: string): Promise<unknown> {
    const profile = app.app.get(ProfilerService).lookup(name)!;
    return new Promise((resolve) => {
      const openWindow = profile.openWindow.bind(profile);
      profile.openWindow = async () => {
        const window = await openWindow();
        resolve(window);
        return window;
      };
    });
  }

  it('of heap has what was allocated in it and is alive, and not what was before', async () => {
    app.sampling.heap.hold(10);
    const profile = await during('heap', () => app.sampling.heap.hold(5));
    expect(profile.flat('inuse_objects', 'hold')).toBe(5);
    expect(profile.flat('inuse_space', 'hold')).toBe(5 * 1024);
    expect(profile.flat('alloc_space', 'hold')).toBe(5 * 1024);
    expect(profile.flat('inuse_space', 'main')).toBe(0);
  });

  it('of heap is negative for what was freed in it, as in Go', async () => {
    app.sampling.heap.hold(10);
    const profile = await during('heap', () => void app.sampling.heap.live.pop());
    expect(profile.flat('inuse_objects', 'hold')).toBe(-10);
    expect(profile.flat('alloc_objects', 'hold')).toBe(0);
  });

  it('of allocs has all that was allocated in it, dead or alive', async () => {
    app.sampling.heap.hold(10);
    const profile = await during('allocs', () => {
      app.sampling.heap.churn(100);
      app.sampling.heap.hold(5);
    });
    expect(profile.flat('alloc_objects', 'churn')).toBe(100);
    expect(profile.flat('alloc_space', 'hold')).toBe(5 * 1024);
    expect(profile.total('inuse_space')).toBe(0);
    expect(profile.flat('alloc_space', 'main')).toBe(0);
  });

  it('of allocs ends while another goes on, which has what both saw', async () => {
    const window = await open('allocs');
    app.sampling.heap.churn(1);
    const inner = await during('allocs', () => app.sampling.heap.churn(2));
    const outer = await endOf(window);
    expect([inner, outer].map((profile) => profile.flat('alloc_objects', 'churn'))).toEqual([2, 3]);
    expect(app.sampling.heap.keepers).toBe(0);
  });

  it('of heap, across one of allocs, has only what is tracked since, and no negative value', async () => {
    const window = await open('heap');
    await during('allocs', () => {});
    app.sampling.heap.hold(3);
    const profile = await endOf(window);
    expect(profile.flat('inuse_objects', 'hold')).toBe(3);
    const values = profile.samples.flatMap(({ values }) => Object.values(values));
    expect(values.filter((value) => value < 0)).toEqual([]);
  });

  it('of allocs leaves what was alive before as one frame of heap, with a comment', async () => {
    await during('allocs', () => {});
    const { profile } = await app.app.get(ProfilerService).heapProfile();
    const decoded = new DecodedProfile(await (await app.app.get(ProfilerService).heapProfile()).encode());
    const frame = `(allocated before ${new Date(1e12).toISOString()})`;
    expect(decoded.flat('inuse_space', frame)).toBeGreaterThan(0);
    expect(decoded.flat('inuse_space', 'hold')).toBe(0);
    expect(profile.comments).toContainEqual(expect.stringMatching(/^a window of allocs made V8 forget/));
  });

  it('of an unknown profile, or of no length, is an error', async () => {
    await expect(deltas.collect('nope', { seconds: 1 })).rejects.toThrow(ProfilerArgumentError);
    for (const seconds of [0, -1, Number.NaN, Infinity, '1' as unknown as number])
      await expect(deltas.collect('heap', { seconds })).rejects.toThrow(/invalid seconds/);
  });

  it.each(PROFILES)(
    'of %s is given up when its signal is aborted, and stops what it started',
    async (name) => {
      const client = new AbortController();
      const isOpen = opened(name);
      const captured = deltas.collect(name, { seconds: 300, signal: client.signal });
      await isOpen;
      client.abort();
      await expect(captured).rejects.toThrow(ProfilerCanceledError);
      expect(app.sampling.heap.keepers).toBe(0);
    },
  );

  it('that is pipelined behind another is given up too when their client goes away', async () => {
    const isOpen = Promise.all(PROFILES.map(opened));
    const socket = connect(Number(new URL(app.url).port), '127.0.0.1');
    for (const name of PROFILES)
      socket.write(`GET /debug/pprof/${name}?seconds=300 HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    await isOpen;
    expect(app.sampling.heap.keepers).toBe(1);
    socket.destroy();
    await until(
      () => nextTurn(app.sampling.heap.keepers),
      (keepers) => (keepers > 0 ? ['the window is open'] : []),
    );
  });

  it('may be one of many, without a warning', async () => {
    const warnings: Error[] = [];
    const note = (warning: Error): unknown => warnings.push(warning);
    process.on('warning', note);
    shortWindows(app);
    await Promise.all(Array.from({ length: 15 }, () => deltas.collect('heap', { seconds: 1 })));
    await nextTurn();
    process.off('warning', note);
    expect(warnings).toEqual([]);
  });

  it.each(PROFILES)('of %s is given up when its client goes away', async (name) => {
    const client = new AbortController();
    const isOpen = opened(name);
    const reply = request(`${app.base}/${name}?seconds=300`, { signal: client.signal });
    await isOpen;
    client.abort();
    await expect(reply).rejects.toThrow('aborted');
    await until(
      () => nextTurn(app.sampling.heap.keepers),
      (keepers) => (keepers > 0 ? ['the window is open'] : []),
    );
  });

  it.each(PROFILES)('of %s replies 500 "context canceled" when the application shuts down', async (name) => {
    const isOpen = opened(name);
    const reply = request(`${app.base}/${name}?seconds=300`);
    await isOpen;
    await app.close();
    expect(await reply).toMatchObject({ status: 500, text: 'context canceled\n' });
    expect(app.sampling.heap.keepers).toBe(0);
  });

  it('replies 408 "context deadline exceeded" when a time limit ends it', async () => {
    const signal = AbortSignal.abort(new DOMException('late', 'TimeoutError'));
    const { status, body } = await app.app.get(PprofHandler).serve('heap', { query: 'seconds=1', signal });
    expect([status, body]).toEqual([408, 'context deadline exceeded\n']);
  });

  it('replies 500 "failed to collect profile" when the profile cannot be read, and the next one works', async () => {
    const read = jest.spyOn(app.sampling.heap, 'read').mockImplementationOnce(() => {
      throw new Error('V8 is out of order');
    });
    expect(await request(`${app.base}/heap?seconds=1`)).toMatchObject({
      status: 500,
      text: 'failed to collect profile\n',
    });
    read.mockRestore();
    expect((await request(`${app.base}/heap`)).status).toBe(200);
  });

  it('with a signal that is none is an error', async () => {
    const odd = { seconds: 1, signal: {} as AbortSignal };
    await expect(deltas.collect('heap', odd)).rejects.toThrow('invalid signal: expected an AbortSignal');
  });

  it('is one line of the log and one event, named after its file', async () => {
    const events: unknown[] = [];
    app.app.get(ProfilerService).captures.subscribe(({ profile, peer }) => events.push([profile, peer]));
    await deltas.collect('heap', { seconds: 0.001 });
    shortWindows(app);
    await request(`${app.base}/allocs?seconds=1`);
    expect(events).toEqual([
      ['heap-delta', 'code'],
      ['allocs-delta', '127.0.0.1'],
    ]);
  });
});

async function endOf(window: ProfileWindow): Promise<DecodedProfile> {
  const captured = await window.end();
  window.close();
  return new DecodedProfile(await captured.encode());
}
