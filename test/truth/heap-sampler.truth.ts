import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { type ProcessOptions, startWorkload, TestProcess, type Workload } from '../support/process.js';

/** Of the module. */
const RATE = 32_768;

/** Of others, in hold.cjs. */
const LOWER = 16_384;
const HIGHER = 65_536;

/** Of --heap-prof. */
const NODES_OWN = 524_288;

/** Of 1 KB each. By the highest rate 40 MB are 640 samples, whose number varies by 4 %. */
const OBJECTS = 40_960;

/** Of what is held. */
const TOLERANCE = 0.15;

const SAMPLERS = ['pprof', 'inspector'];

interface Story {
  title: string;
  /** What others have done to V8's sampler before the application is there; orders of hold.cjs. */
  before?: string;
  /** By whose rate it samples then. */
  at: number;
  /** What they do while it runs, one after the other, and by whose rate it samples after a reading. */
  acts?: readonly (readonly [act: string, rate: number])[];
  samplers?: readonly string[];
}

const STORIES: Story[] = [
  {
    title: 'a session of someone else comes later',
    at: RATE,
    acts: [
      ['otherStarts', RATE],
      ['otherStops', RATE],
      ['otherTakesOver', LOWER],
      ['otherDisconnects', RATE],
      ['otherTakesOverHigher', HIGHER],
      ['otherDisconnects', RATE],
    ],
  },
  { title: 'a session was first, and stops', before: 'otherStarts', at: LOWER, acts: [['otherStops', RATE]] },
  {
    title: 'a session was first, and disconnects',
    before: 'otherStarts',
    at: LOWER,
    acts: [['otherDisconnects', RATE]],
  },
  { title: 'a session was there, and has stopped', before: 'otherStarts otherStops', at: RATE },
  { title: 'a session was there, and is gone', before: 'otherStarts otherDisconnects', at: RATE },
  {
    title: 'pprof was first, and is stopped',
    before: 'pprofStarts',
    at: LOWER,
    acts: [['pprofStops', RATE]],
  },
  { title: 'pprof was there, and is stopped', before: 'pprofStarts pprofStops', at: RATE },
  {
    title: 'the pprof that we sample by is stopped, and started anew',
    before: 'pprofStarts',
    at: LOWER,
    acts: [
      ['pprofStops', RATE],
      ['pprofTakesOver', LOWER],
      ['pprofTakesOverHigher', HIGHER],
      ['pprofStops', RATE],
    ],
    samplers: ['pprof'],
  },
];

afterEach(() => TestProcess.stopAll());

describe("V8's one heap sampler, which others use beside us", () => {
  it.each(STORIES)('$title', ({ before, at, acts = [], samplers = SAMPLERS }) =>
    bySamplers(samplers, async (SAMPLER) => {
      const app = await start({ env: { SAMPLER, BEFORE: before } });
      expect(await reading(app)).toEqual(sampledAt(at));
      for (const [act, rate] of acts) {
        await app.post(act);
        await app.profile('heap'); // where nobody's runs any more, ours does from here on
        expect(await reading(app)).toEqual(sampledAt(rate));
      }
      expect(await ended(app)).toBe(0);
    }),
  );

  it('changes its owner between two readings: all that was held since then is there', () =>
    bySamplers(SAMPLERS, async (SAMPLER) => {
      const app = await start({ env: { SAMPLER } });
      expect(await reading(app)).toEqual(sampledAt(RATE));
      await app.post('otherTakesOver');
      expect(await reading(app)).toEqual(sampledAt(LOWER));
    }));
});

describe('node --heap-prof, which samples beside us', () => {
  const directory = mkdtempSync(join(tmpdir(), 'nestjs-pprof-heap-prof-'));
  afterAll(() => rmSync(directory, { recursive: true }));

  it.each([
    ['the process exits', 'exit'],
    ['the application closes', 'close'],
  ])('is read too, and writes its file when %s', (_, end) =>
    bySamplers(SAMPLERS, async (SAMPLER) => {
      const dir = join(directory, `${end}-${SAMPLER}`);
      const flags = ['--heap-prof', `--heap-prof-interval=${LOWER}`, `--heap-prof-dir=${dir}`];
      const app = await start({ env: { SAMPLER }, flags });
      expect(await reading(app)).toEqual(sampledAt(LOWER));

      if (end === 'close') await app.post('close');
      expect(await (end === 'close' ? app.process.exited : ended(app))).toBe(0);
      const [file, ...others] = readdirSync(dir);
      expect(others).toEqual([]);
      expect(readFileSync(join(dir, file!), 'utf8')).toContain('"functionName":"holdObjects"');
    }),
  );

  it('is read at its default rate', () =>
    bySamplers(SAMPLERS, async (SAMPLER) => {
      const app = await start({
        env: { SAMPLER },
        flags: ['--heap-prof', `--heap-prof-dir=${directory}`],
      });
      expect(await reading(app)).toMatchObject({ rate: NODES_OWN, bySomeoneElse: true });
    }));
});

/** Node has it from version 22 on. */
const { WebSocket } = globalThis as unknown as { WebSocket?: new (url: string) => RemoteSocket };

interface RemoteSocket extends EventTarget {
  send(text: string): void;
  close(): void;
}

(WebSocket ? describe : describe.skip)('DevTools, which sample beside us', () => {
  it('start, stop and leave as they like', () =>
    bySamplers(SAMPLERS, async (SAMPLER) => {
      const app = await start({ env: { SAMPLER }, flags: ['--inspect=0'] });
      const [, url] = await app.process.printed(/Debugger listening on (ws:\S+)/);
      const devTools = await connect(url!);
      const starts = ['HeapProfiler.startSampling', { samplingInterval: LOWER }] as const;

      await devTools.post(...starts); // ours runs already
      expect(await reading(app)).toEqual(sampledAt(RATE));
      await devTools.post('HeapProfiler.stopSampling');
      await devTools.post(...starts);
      expect(await reading(app)).toEqual(sampledAt(LOWER));
      await devTools.post('HeapProfiler.stopSampling');
      await app.profile('heap');
      expect(await reading(app)).toEqual(sampledAt(RATE));
      await devTools.post(...starts);
      devTools.close();
      await app.profile('heap');
      expect(await ended(app)).toBe(0);
    }));
});

/** At the same time, each in a process of its own; an error says which it was. */
async function bySamplers(
  samplers: readonly string[],
  check: (sampler: string) => Promise<void>,
): Promise<void> {
  await Promise.all(
    samplers.map((sampler) =>
      check(sampler).catch((error: Error) => {
        error.message = `by ${sampler}: ${error.message}`;
        throw error;
      }),
    ),
  );
}

function start({ env, flags }: ProcessOptions): Promise<Workload> {
  return startWorkload('heap-sampler.mjs', {
    env: { MEM_RATE: `${RATE}`, OBJECTS: `${OBJECTS}`, ...env },
    flags,
  });
}

interface Reading {
  /** How much of what is held shows: `all`, or the share where that is wrong. */
  held: 'all' | number;
  /** Of V8's sampler. Those of others are found by the samples, to 5 %. */
  rate: number;
  bySomeoneElse: boolean;
}

const sampledAt = (rate: number): Reading => ({ held: 'all', rate, bySomeoneElse: rate !== RATE });

/** Holds something, and tells what the profile says of it. */
async function reading(app: Workload): Promise<Reading> {
  await app.post('drop');
  await app.post('holdSizes');
  const { bytes } = await app.post<{ bytes: number }>('hold');
  const profile = await app.profile('heap?gc=1');
  const { period } = profile;
  const share = profile.cumulative('inuse_space', 'holdObjects') / bytes;
  const comments = profile.comments.join('\n');
  expect(comments).toContain(`every ${period} bytes`);
  return {
    held: Math.abs(share - 1) < TOLERANCE ? 'all' : share,
    rate: [LOWER, HIGHER, NODES_OWN].find((rate) => Math.abs(period / rate - 1) < 0.05) ?? period,
    bySomeoneElse: comments.includes("someone else started V8's one heap sampler"),
  };
}

/** Ends a process by its stdin. */
async function ended({ process }: Workload): Promise<number | null> {
  await process.stop();
  return process.exited;
}

/** A client of Node's inspector, such as DevTools. */
async function connect(url: string): Promise<{
  post(method: string, params?: object): Promise<void>;
  close(): void;
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
    close: () => socket.close(),
  };
}
