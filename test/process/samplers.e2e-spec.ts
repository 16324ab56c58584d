import { afterEach, describe, expect, it } from '@jest/globals';
import { inParallel } from '../support/async.js';
import type { DecodedProfile } from '../support/decoded-profile.js';
import { linesWith, startWorkload, TestProcess, type Workload } from '../support/process.js';

afterEach(() => TestProcess.stopAll());

/** The comment of each sampler that tells how its CPU samples are weighted. */
const WEIGHTED = {
  pprof: /^weighted by the real interval/,
  inspector: /^weighted by the thread's CPU clock/,
};
type Sampler = keyof typeof WEIGHTED;

const ROWS: readonly { usual: Sampler; other: Sampler; memRate?: string; period: number }[] = [
  { usual: 'pprof', other: 'inspector', period: 524_288 },
  { usual: 'inspector', other: 'pprof', memRate: '65536', period: 65_536 },
];

describe('the sampler of a capture', () => {
  it('is that of the parameter sampler for one capture, and that of the option for the next one', () =>
    inParallel(ROWS, async ({ usual, other }) => {
      const app = await startWorkload('heap.mjs', { env: { SAMPLER: usual } });
      expectTakenBy(await app.profile(`profile?seconds=1&sampler=${other}`), other);
      expectTakenBy(await app.profile('profile?seconds=1&sampler='), usual);
      expect((await app.profile('heap')).comments[0]).toContain(`heap sampled by ${usual},`);
    }));

  it('is the inspector for format=cpuprofile, which has the time of each sample, unless pprof is asked for', async () => {
    const app = await startWorkload('heap.mjs', { env: { SAMPLER: 'pprof' } });
    const startTime = async (query: string): Promise<number> => {
      const answer = await fetch(app.pprof(`profile?seconds=1&format=cpuprofile${query}`));
      return ((await answer.json()) as { startTime: number }).startTime;
    };
    expect(await startTime('')).toBeGreaterThan(0);
    expect(await startTime('&sampler=pprof')).toBe(0); // pprof has no times
  });
});

describe('the period', () => {
  it('of heap is memProfileRate, 524288 bytes by default, and that of profile follows hz, 100 by default', () =>
    inParallel(ROWS, async ({ usual, memRate, period }) => {
      const app = await startWorkload('heap.mjs', { env: { SAMPLER: usual, MEM_RATE: memRate } });
      expect((await app.profile('heap')).period).toBe(period);
      expect((await app.profile('profile?seconds=1')).period).toBe(10_000_000);
      const { period: asked, comments } = await app.profile('profile?seconds=1&hz=250');
      expect(asked).toBe(4_000_000);
      expect(comments[0]).toBe(`CPU samples of the main thread by ${usual} at 250 Hz`);
    }));
});

describe('gc=1', () => {
  /** V8's words with --trace-gc for collections by the inspector and by its heap sampler. */
  const FORCED = /low memory notification|sampling profiler/;

  // At other rates V8 collects at each reading, since the inspector has started its sampler.
  const COLLECTS_NOTHING = [
    { sampler: 'pprof', rate: '524288' },
    { sampler: 'inspector', rate: '0' },
  ];

  it('collects garbage for heap and profile, which collect none without it', () =>
    inParallel(COLLECTS_NOTHING, async ({ sampler, rate }) => {
      const app = await startWorkload('heap.mjs', {
        env: { SAMPLER: sampler, MEM_RATE: rate },
        flags: ['--trace-gc'],
      });
      const paths = ['heap', 'profile?seconds=1', 'heap?gc=1', 'profile?seconds=1&gc=1'];
      for (const path of paths) await app.profile(path);
      const printed = await untilLogged(app, paths.length);
      expect(printed.map((part) => FORCED.test(part))).toEqual([false, false, true, true]);
    }));

  it('answers all who ask for a collection at the same time', async () => {
    const app = await startWorkload('heap.mjs', { env: { MEM_RATE: '0' } });
    const answers = await Promise.all(Array.from({ length: 10 }, () => fetch(app.pprof('heap?gc=1'))));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 10 }).fill(200));
  });
});

function expectTakenBy({ comments }: DecodedProfile, sampler: Sampler): void {
  expect(comments[0]).toBe(`CPU samples of the main thread by ${sampler} at 100 Hz`);
  expect(comments[1]).toMatch(WEIGHTED[sampler]);
}

/** What an app printed until the log line of each capture. */
async function untilLogged({ process }: Workload, captures: number): Promise<string[]> {
  const line = /^.*\[PprofModule\] (?:profile|heap) for .*\n/m;
  await process.printed(new RegExp(`(?:${line.source}[^]*){${captures}}`, 'm'));
  expect(linesWith(process.output, 'held the event loop')).toHaveLength(captures);
  return process.output.split(line).slice(0, captures);
}
