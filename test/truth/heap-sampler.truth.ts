import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, it } from '@jest/globals';
import { type ProcessOptions, startWorkload, TestProcess, type Workload } from '../support/process.js';
import { claim, sampledSize } from './claim.js';
import { DevTools } from './dev-tools.js';

/** Of the module. V8 scales its samples by the rate at which it takes them, whoever set that. */
const RATE = 32_768;

/** Of others, in hold.cjs. */
const LOWER = 16_384;
const HIGHER = 65_536;

/** Of --heap-prof. */
const NODES_OWN = 524_288;

/** Of what hold.cjs holds: 100 MB, which are 1,600 samples at the highest of these rates but for Node's own. */
const COUNT = 102_400;
const SIZE = 1024;

interface Story {
  readonly title: string;
  /** What others have done to V8's sampler before the application is there; orders of hold.cjs. */
  readonly before?: string;
  /** By whose rate it samples then. */
  readonly at: number;
  /** What they do while it runs, one after the other, and by whose rate it samples after a reading. */
  readonly acts?: readonly (readonly [act: string, rate: number])[];
  readonly samplers: readonly string[];
}

const STORIES: readonly Story[] = [
  {
    title: 'another session comes later',
    at: RATE,
    acts: [
      ['otherStarts', RATE],
      ['otherStops', RATE],
      ['otherTakesOver', LOWER],
      ['otherDisconnects', RATE],
      ['otherTakesOverHigher', HIGHER],
      ['otherDisconnects', RATE],
    ],
    samplers: ['pprof', 'inspector'],
  },
  {
    title: 'another session was first and stops',
    before: 'otherStarts',
    at: LOWER,
    acts: [['otherStops', RATE]],
    samplers: ['pprof'],
  },
  {
    title: 'another session was first and disconnects',
    before: 'otherStarts',
    at: LOWER,
    acts: [['otherDisconnects', RATE]],
    samplers: ['inspector'],
  },
  {
    title: 'another session was there and has stopped',
    before: 'otherStarts otherStops',
    at: RATE,
    samplers: ['inspector'],
  },
  {
    title: 'another session was there and is gone',
    before: 'otherStarts otherDisconnects',
    at: RATE,
    samplers: ['pprof'],
  },
  {
    title: 'pprof was first and is stopped',
    before: 'pprofStarts',
    at: LOWER,
    acts: [['pprofStops', RATE]],
    samplers: ['inspector'],
  },
  {
    title: 'pprof was there and is stopped',
    before: 'pprofStarts pprofStops',
    at: RATE,
    samplers: ['inspector', 'pprof'],
  },
  {
    title: 'the pprof in use is stopped and started again',
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
  const rows = STORIES.flatMap(({ samplers, ...story }) =>
    samplers.map((sampler) => ({ ...story, sampler })),
  );

  it.each(rows)('shows what is held: $title, by $sampler', async (row) => {
    const { title, before, at, acts = [], sampler } = row;
    const app = await start({ env: { SAMPLER: sampler, BEFORE: before } });
    const read = (act: string, rate: number) => claimReading(app, `${title}, ${act}`, sampler, rate);
    await read('at the start', at);
    for (const [i, [act, rate]] of acts.entries()) {
      await app.post(act);
      await app.profile('heap'); // where nobody samples any more, ours does from here on
      await read(`${i + 1}. ${act}`, rate);
    }
  });

  it.each(['pprof', 'inspector'])(
    'shows all that was held since its owner changed between two readings, by %s',
    async (sampler) => {
      const app = await start({ env: { SAMPLER: sampler } });
      await app.profile('heap?gc=1');
      await app.post('otherTakesOver');
      await claimReading(app, 'another session took over between two readings', sampler, LOWER);
    },
  );
});

describe('node --heap-prof, which samples beside us', () => {
  const directory = mkdtempSync(join(tmpdir(), 'nestjs-pprof-heap-prof-'));
  afterAll(() => rmSync(directory, { recursive: true }));

  it.each([
    { sampler: 'pprof', interval: LOWER },
    { sampler: 'inspector', interval: LOWER },
    { sampler: 'pprof', interval: undefined },
    { sampler: 'inspector', interval: undefined },
  ])('is read too, by $sampler, at the interval $interval', async ({ sampler, interval }) => {
    const flags = [
      '--heap-prof',
      `--heap-prof-dir=${directory}`,
      ...(interval ? [`--heap-prof-interval=${interval}`] : []),
    ];
    const app = await start({ env: { SAMPLER: sampler }, flags });
    const title = `--heap-prof at ${interval ?? 'its default interval'}`;
    await claimReading(app, title, sampler, interval ?? NODES_OWN);
  });
});

describe('DevTools, which sample beside us', () => {
  it.each(['pprof', 'inspector'])('start and stop as they like, by %s', async (sampler) => {
    const app = await start({ env: { SAMPLER: sampler }, flags: ['--inspect=0'] });
    const [, address] = await app.process.printed(/Debugger listening on (ws:\S+)/);
    const devTools = await DevTools.connect(address!);
    const starts = ['HeapProfiler.startSampling', { samplingInterval: LOWER }] as const;

    await devTools.post(...starts); // ours runs already
    await claimReading(app, 'DevTools start when ours runs', sampler, RATE);
    await devTools.post('HeapProfiler.stopSampling');
    await devTools.post(...starts);
    await claimReading(app, 'DevTools have stopped ours and start theirs', sampler, LOWER);
    await devTools.post('HeapProfiler.stopSampling');
    await app.profile('heap');
    await claimReading(app, 'DevTools stop theirs', sampler, RATE);
    devTools.close();
  });
});

function start({ env, flags }: ProcessOptions): Promise<Workload> {
  return startWorkload('heap-sampler.mjs', { env: { MEM_RATE: `${RATE}`, ...env }, flags });
}

/** Holds something, and claims what the profile says of it. */
async function claimReading(app: Workload, title: string, sampler: string, rate: number): Promise<void> {
  await app.post('drop');
  await app.post('hold');
  const profile = await app.profile('heap?gc=1');
  const bound = sampledSize({ count: COUNT, size: SIZE, rate, sampler });
  const held = profile.cumulative('inuse_space', 'holdObjects') / (COUNT * SIZE);
  claim(`${title}, by ${sampler}: 100 MB are held, sampled every ${rate} bytes`, held, bound);
}
