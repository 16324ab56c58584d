import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { inParallel } from '../support/async.js';
import {
  HOLDS_LITTLE,
  type ProcessOptions,
  startWorkload,
  TestProcess,
  type Workload,
} from '../support/process.js';

/** Of the module. Others sample at half of it. */
const RATE = '32768';
const RATE_OF_OTHERS = '16384';

const SAMPLERS = ['pprof', 'inspector'];

const FOREIGN = "another tool started V8's heap sampler";
const STOPPED = /^another tool, which stopped V8's heap sampler, made V8 forget .* before (.+)$/;

interface Story {
  readonly title: string;
  /** What others have done to V8's sampler before the application is created; orders of hold.cjs. */
  readonly before?: string;
  /** Whether V8 samples for others at first. */
  readonly isForeign: boolean;
  /** What they do while it runs, one after the other, and whether the next reading finds V8's sampler stopped. */
  readonly acts?: readonly (readonly [act: string, stops: boolean])[];
  readonly samplers?: readonly string[];
}

const STORIES: readonly Story[] = [
  {
    title: 'another inspector session that is first, disconnects, and comes again',
    before: 'otherStarts',
    isForeign: true,
    acts: [
      ['otherDisconnects', true],
      ['otherStarts', false], // ours runs already
      ['otherStops', true],
      ['otherTakesOver', true], // between two readings V8's sampler has stopped and runs again
    ],
  },
  {
    title: 'an agent that uses the same copy of pprof, is first, stops, and comes again',
    before: 'pprofStarts',
    isForeign: true,
    acts: [
      ['pprofStops', true],
      ['pprofTakesOver', false], // the package does not know that ours runs
      ['pprofStops', true],
    ],
    samplers: ['pprof'],
  },
  {
    title: 'others that have left before the application is created',
    before: 'otherStarts otherDisconnects pprofStarts pprofStops',
    isForeign: false,
    acts: [['otherTakesOver', true]],
    samplers: ['inspector'],
  },
];

afterEach(() => TestProcess.stopAll());

describe('heap shows what is held, and its comments say who else started or stopped the sampler, beside', () => {
  it.each(STORIES)('$title', ({ before, isForeign, acts = [], samplers = SAMPLERS }) =>
    inParallel(samplers, async (SAMPLER) => {
      const app = await start({ env: { SAMPLER, BEFORE: before } });
      expect(await reading(app)).toEqual({ isForeign, stopped: undefined });
      let stopped: string | undefined;
      for (const [act, stops] of acts) {
        if (act === 'otherTakesOver') await app.profile('allocs'); // by whose samples the next one notices
        await app.post(act);
        await counted(app);
        const next = await reading(app);
        expect({ act, ...next, stops: next.stopped !== stopped }).toMatchObject({
          act,
          isForeign: act === 'otherTakesOver',
          stops,
        });
        ({ stopped } = next);
      }
      expect(await ended(app)).toBe(0);
    }),
  );
});

describe('windows of allocs, one aborted and one in which someone else stops the sampler,', () => {
  it('retain no logged object, nor do other captures, and heap shows what is held afterwards; a process can exit while one is open', () =>
    inParallel(SAMPLERS, async (SAMPLER) => {
      const flags = ['--max-old-space-size=56']; // less than is logged
      const app = await startWorkload('allocs.mjs', { env: { ...HOLDS_LITTLE, SAMPLER }, flags });
      const alive = (): Promise<number> => app.post('loggedAlive');
      await app.profile('heap?gc=1');
      await app.post('log');
      expect(await alive()).toBe(0);
      expect(await app.post('logInCapture')).toBe(0);
      expect(await alive()).toBe(0);

      const client = new AbortController();
      const aborted = fetch(app.pprof('allocs?seconds=300'), { signal: client.signal });
      await app.post('opened');
      await app.post('log');
      expect(await alive()).toBe(0);
      client.abort();
      await expect(aborted).rejects.toThrow('aborted');
      await app.post('closed');
      expect(await alive()).toBe(0);
      await expectLive(app);

      await app.post('stopInWindow');
      const { comments } = await app.profile('allocs?seconds=1');
      expect(comments).toContainEqual(expect.stringMatching(STOPPED));
      await expectLive(app);

      const lost = fetch(app.pprof('allocs?seconds=300'));
      await app.post('opened');
      await app.post('hold');
      await Promise.all([expect(lost).rejects.toThrow('fetch failed'), app.process.stop()]);
      expect(await app.process.exited).toBe(0);
    }));
});

/** V8 tells again what is alive. */
async function expectLive(app: Workload): Promise<void> {
  await app.post('drop');
  await app.post('hold');
  const profile = await app.profile('heap?gc=1');
  expect(profile.flat('inuse_space', 'holdObjects')).toBeGreaterThan(0);
  expect(profile.comments).toContainEqual(
    expect.stringContaining('a window of allocs made V8 forget what was allocated before'),
  );
}

describe('node --heap-prof', () => {
  it('is read by heap, and writes its file when the process ends, with the application closed before or not', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'nestjs-pprof-heap-prof-'));
    const rows = [
      { sampler: 'pprof', closes: true },
      { sampler: 'inspector', closes: false },
    ];
    await inParallel(rows, async ({ sampler, closes }) => {
      const dir = join(directory, sampler);
      const flags = ['--heap-prof', `--heap-prof-interval=${RATE_OF_OTHERS}`, `--heap-prof-dir=${dir}`];
      const app = await start({ env: { SAMPLER: sampler }, flags });
      expect(await reading(app)).toEqual({ isForeign: true, stopped: undefined });
      if (closes) await app.post('close');
      expect(await (closes ? app.process.exited : ended(app))).toBe(0);
      const [file, ...others] = readdirSync(dir);
      expect(others).toEqual([]);
      expect(readFileSync(join(dir, file!), 'utf8')).toContain('"functionName":"holdObjects"');
    }).finally(() => rmSync(directory, { recursive: true }));
  });
});

/** Node has it from version 22 on. */
const { WebSocket } = globalThis as unknown as { WebSocket?: new (url: string) => RemoteSocket };

interface RemoteSocket extends EventTarget {
  send(text: string): void;
  close(): void;
}

(WebSocket ? describe : describe.skip)('DevTools', () => {
  it('start, stop and leave V8 one heap sampler while heap is read', () =>
    inParallel(SAMPLERS, async (SAMPLER) => {
      const app = await start({ env: { SAMPLER }, flags: ['--inspect=0'] });
      const [, url] = await app.process.printed(/Debugger listening on (ws:\S+)/);
      const devTools = await connect(url!);
      const starts = ['HeapProfiler.startSampling', { samplingInterval: Number(RATE_OF_OTHERS) }] as const;

      await devTools.post(...starts); // ours runs already
      expect(await reading(app)).toEqual({ isForeign: false, stopped: undefined });
      await app.profile('allocs'); // by whose samples the next one notices
      await devTools.post('HeapProfiler.stopSampling');
      await devTools.post(...starts);
      await counted(app);
      expect(await reading(app)).toEqual({ isForeign: true, stopped: expect.any(String) });
      await devTools.post('HeapProfiler.stopSampling');
      await counted(app);
      expect(await reading(app)).toEqual({ isForeign: false, stopped: expect.any(String) });
      await devTools.post(...starts);
      await devTools.close();
      await app.profile('heap');
      expect(await ended(app)).toBe(0);
    }));
});

function start({ env, flags }: ProcessOptions): Promise<Workload> {
  return startWorkload('heap-sampler.mjs', { env: { ...HOLDS_LITTLE, MEM_RATE: RATE, ...env }, flags });
}

/**
 * Holds 4 MB, more than a hundred samples at either rate, and checks that they are shown.
 *
 * @returns what the comments say of others: whether they started V8's sampler, and when it was found stopped
 */
async function reading(app: Workload): Promise<{ isForeign: boolean; stopped: string | undefined }> {
  await app.post('drop');
  await app.post('hold');
  const profile = await app.profile('heap?gc=1');
  const { comments, period } = profile;
  expect(profile.flat('inuse_space', 'holdObjects')).toBeGreaterThan(0);
  expect(period).toBe(Number(RATE));
  return {
    isForeign: comments.some((comment) => comment.startsWith(FOREIGN)),
    stopped: comments.map((comment) => STOPPED.exec(comment)?.[1]).find((time) => time),
  };
}

/** Reads samples, of which enough are new: it notices another's sampler, or a stopped one, and starts it again. */
async function counted(app: Workload): Promise<void> {
  await app.post('hold');
  await app.profile('allocs');
}

/** Ends a process by its stdin. */
async function ended({ process }: Workload): Promise<number | null> {
  await process.stop();
  return process.exited;
}

/** A client of Node's inspector, such as DevTools. */
async function connect(url: string): Promise<{
  post(method: string, params?: object): Promise<void>;
  close(): Promise<void>;
}> {
  const socket = new WebSocket!(url);
  const next = (type: string): Promise<Event> =>
    new Promise((resolve) => socket.addEventListener(type, resolve, { once: true }));
  await next('open');
  return {
    async post(method, params) {
      socket.send(JSON.stringify({ id: 1, method, params }));
      const { data } = (await next('message')) as Event & { data: string };
      expect(JSON.parse(data)).toMatchObject({ id: 1, result: expect.anything() });
    },
    async close() {
      const closed = next('close');
      socket.close();
      await closed;
    },
  };
}
