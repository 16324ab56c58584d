import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { inParallel } from '../support/async.js';
import { type ProcessOptions, startWorkload, TestProcess, type Workload } from '../support/process.js';

/** Of the module. Others sample at half of it, so that it shows who does. */
const RATE = '32768';
const RATE_OF_OTHERS = '16384';

const SAMPLERS = ['pprof', 'inspector'];

interface Story {
  readonly title: string;
  /** What others have done to V8's sampler before the application is created; orders of hold.cjs. */
  readonly before?: string;
  /** Whether V8 samples at the rate of others at first. */
  readonly byOthers: boolean;
  /** What they do while it runs, one after the other, and whether V8 samples at their rate after a reading. */
  readonly acts?: readonly (readonly [act: string, byOthers: boolean])[];
  readonly samplers?: readonly string[];
}

const STORIES: readonly Story[] = [
  {
    title: 'another inspector session that is first, disconnects, and comes again',
    before: 'otherStarts',
    byOthers: true,
    acts: [
      ['otherDisconnects', false],
      ['otherStarts', false], // ours runs already
      ['otherStops', false],
      ['otherTakesOver', true],
      ['otherDisconnects', false],
    ],
  },
  {
    title: 'an agent that uses the same copy of pprof, is first, stops, and comes again',
    before: 'pprofStarts',
    byOthers: true,
    acts: [
      ['pprofStops', false],
      ['pprofTakesOver', true],
      ['pprofStops', false],
    ],
    samplers: ['pprof'],
  },
  {
    title: 'others that have left before the application is created',
    before: 'otherStarts otherDisconnects pprofStarts pprofStops',
    byOthers: false,
    acts: [['otherTakesOver', true]],
    samplers: ['inspector'],
  },
];

afterEach(() => TestProcess.stopAll());

describe("heap profiles stay correct, and name another's rate, beside", () => {
  it.each(STORIES)('$title', ({ before, byOthers, acts = [], samplers = SAMPLERS }) =>
    inParallel(samplers, async (SAMPLER) => {
      const app = await start({ env: { SAMPLER, BEFORE: before } });
      await expectReading(app, byOthers);
      for (const [act, byOthers] of acts) {
        await app.post(act);
        await app.profile('heap'); // starts V8's sampler again where nobody's runs any more
        await expectReading(app, byOthers);
      }
      expect(await ended(app)).toBe(0);
    }),
  );
});

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
      await expectReading(app, true);
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
      await expectReading(app, false);
      await devTools.post('HeapProfiler.stopSampling');
      await devTools.post(...starts);
      await expectReading(app, true);
      await devTools.post('HeapProfiler.stopSampling');
      await app.profile('heap');
      await expectReading(app, false);
      await devTools.post(...starts);
      await devTools.close();
      await app.profile('heap');
      expect(await ended(app)).toBe(0);
    }));
});

function start({ env, flags }: ProcessOptions): Promise<Workload> {
  return startWorkload('heap-sampler.mjs', { env: { MEM_RATE: RATE, OBJECTS: '4096', ...env }, flags });
}

/** Holds 4 MB, more than a hundred samples at either rate, and checks what the profile says of it. */
async function expectReading(app: Workload, byOthers: boolean): Promise<void> {
  await app.post('drop');
  if (byOthers) await app.post('holdSizes'); // their rate shows in samples of many sizes
  await app.post('hold');
  const profile = await app.profile('heap?gc=1');
  expect(profile.flat('inuse_space', 'holdObjects')).toBeGreaterThan(0);
  const comments = profile.comments.join('\n');
  expect(comments.includes("someone else started V8's one heap sampler")).toBe(byOthers);
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
