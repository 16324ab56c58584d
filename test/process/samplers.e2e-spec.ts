import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { inParallel } from '../support/async.js';
import type { DecodedProfile } from '../support/decoded-profile.js';
import { linesWith, startWorkload, TestProcess, type Workload } from '../support/process.js';

/** The comment of each sampler that tells how its CPU samples are weighted. */
const WEIGHTED = {
  pprof: /^weighted by real time: /,
  inspector: /^weighted by the thread's CPU clock/,
};
type Sampler = keyof typeof WEIGHTED;

/** V8 prints why it collects; and a `gc()` while it marks step by step would have to end that with a collection of its own. */
const TRACE_GC = ['--trace-gc', '--no-incremental-marking'];

/** V8's words for the collections that the module causes: by `gc()`, or because the inspector's heap sampler is read. */
const COLLECTION = /Mark-.* (?:testing|low memory notification|sampling profiler)/g;

interface Row {
  readonly file: string;
  readonly usual: Sampler;
  readonly other: Sampler;
  readonly memRate?: string;
  readonly heapPeriod: number;
  /** How often each capture collects garbage. */
  readonly collections: readonly number[];
}
const ROWS: readonly Row[] = [
  {
    file: 'heap.cjs',
    usual: 'pprof',
    other: 'inspector',
    heapPeriod: 524_288,
    collections: [0, 0, 1, 1],
  },
  {
    file: 'heap.mjs',
    usual: 'inspector',
    other: 'pprof',
    memRate: '65536',
    heapPeriod: 65_536,
    collections: [1, 0, 2, 1], // V8 itself collects at each reading of the heap
  },
];

describe('applications by each sampler', () => {
  let apps: readonly (Row & { app: Workload; printed: readonly string[] })[];
  beforeAll(async () => {
    apps = await Promise.all(
      ROWS.map(async (row) => {
        const env = { SAMPLER: row.usual, MEM_RATE: row.memRate };
        const app = await startWorkload(row.file, { env, flags: TRACE_GC });
        const paths = ['heap', 'profile?seconds=1', 'heap?gc=1', 'profile?seconds=1&gc=1'];
        for (const path of paths) await app.profile(path);
        return { ...row, app, printed: await printedUntilCaptures(app, paths.length) };
      }),
    );
  });
  afterAll(() => TestProcess.stopAll());

  it('the log has nothing about a sampler that could be loaded', () => {
    for (const { app } of apps) expect(app.process.output).not.toMatch(/cannot be loaded/);
  });

  it('profile and heap collect garbage once with gc=1, and only then', () => {
    for (const { usual, printed, collections } of apps) {
      expect({ usual, collections: printed.map(collectionsIn) }).toEqual({ usual, collections });
    }
  });

  it('heap with memProfileRate 0 collects garbage once with gc=1, and only then', async () => {
    const env = { SAMPLER: 'inspector', MEM_RATE: '0' };
    const app = await startWorkload('heap.mjs', { env, flags: TRACE_GC });
    for (const path of ['heap', 'heap?gc=1']) await app.profile(path);
    expect((await printedUntilCaptures(app, 2)).map(collectionsIn)).toEqual([0, 1]);
  });

  it('heap?gc=1 replies to all who ask for a collection at the same time', () =>
    inParallel(apps, async ({ app }) => {
      const answers = await Promise.all(Array.from({ length: 4 }, () => fetch(app.pprof('heap?gc=1'))));
      expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 4 }).fill(200));
    }));

  it('profile?sampler= chooses the sampler of one capture, hz= its period; the next one has the defaults', () =>
    inParallel(apps, async ({ app, usual, other }) => {
      const asked = await app.profile(`profile?seconds=1&sampler=${other}&hz=250`);
      expect(summaryOf(asked)).toEqual(summary(other, 250));
      const next = await app.profile('profile?seconds=1&sampler=');
      expect(summaryOf(next)).toEqual(summary(usual, 100));
    }));

  it('heap has the period of memProfileRate, 524288 bytes by default', () =>
    inParallel(apps, async ({ app, usual, heapPeriod }) => {
      const { period, comments } = await app.profile('heap');
      expect(period).toBe(heapPeriod);
      expect(comments[0]).toContain(`heap sampled by ${usual}, every ${heapPeriod} bytes`);
    }));

  it('profile?format=cpuprofile is sampled by the inspector, which knows times, unless pprof is asked for', () =>
    inParallel(apps, async ({ app }) => {
      expect(await startTime(app, '')).toBeGreaterThan(0);
      expect(await startTime(app, '&sampler=pprof')).toBe(0); // it knows none
    }));
});

const collectionsIn = (printed: string): number => printed.match(COLLECTION)?.length ?? 0;

/** What a CPU profile tells of its sampler. */
const summaryOf = ({ comments: [about, weighted], period }: DecodedProfile): object => ({
  about,
  weighted,
  period,
});

const summary = (sampler: Sampler, hz: number): object => ({
  about: `CPU samples of the main thread by ${sampler} at ${hz} Hz`,
  weighted: expect.stringMatching(WEIGHTED[sampler]),
  period: 1e9 / hz,
});

async function startTime(app: Workload, query: string): Promise<number> {
  const answer = await fetch(app.pprof(`profile?seconds=1&format=cpuprofile${query}`));
  return ((await answer.json()) as { startTime: number }).startTime;
}

/** What an app printed until the log line of each capture. */
async function printedUntilCaptures({ process }: Workload, captures: number): Promise<string[]> {
  const line = /^.*\[PprofModule\] (?:profile|heap) for .*\n/m;
  await process.printed(new RegExp(`(?:${line.source}[^]*){${captures}}`, 'm'));
  expect(linesWith(process.output, 'held the event loop')).toHaveLength(captures);
  return process.output.split(line).slice(0, captures);
}
