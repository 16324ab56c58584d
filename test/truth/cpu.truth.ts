import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { describeGo, goPprof, profileFile, topRows } from '../support/go.js';
import { DecodedProfile } from '../support/decoded-profile.js';
import { startWorkload, TestProcess, type Workload } from '../support/process.js';

/** Share of the time in percent that the workload spends in each function. */
const SHARES = { hotA: 70, hotB: 30 };
const TOLERANCE = 3;

/** 4,500 samples at 1000 Hz, and enough of them on a machine that has more to do. */
const SECONDS = 8;

describe.each([
  { sampler: 'pprof', file: 'cpu.mjs', adapter: 'express' },
  { sampler: 'pprof', file: 'cpu.cjs', adapter: 'fastify' },
  { sampler: 'inspector', file: 'cpu.mjs', adapter: 'fastify' },
  { sampler: 'inspector', file: 'cpu.cjs', adapter: 'express' },
])('the CPU profile of $file on $adapter by $sampler', ({ sampler, file, adapter }) => {
  let app: Workload;
  let bytes: Buffer;
  let profile: DecodedProfile;
  const window = { from: 0, to: 0 };

  beforeAll(async () => {
    app = await startWorkload(file, { env: { SAMPLER: sampler, ADAPTER: adapter } });
    window.from = Date.now();
    ({ bytes, profile } = await app.download(`profile?seconds=${SECONDS}&hz=1000`));
    window.to = Date.now();
  });
  afterAll(() => TestProcess.stopAll());

  it('has enough samples to tell shares', () => {
    expect(profile.total('samples')).toBeGreaterThan(3000);
  });

  it.each(Object.entries(SHARES))('gives %s its share of %d %%', (name, share) => {
    const measured = (100 * profile.cumulative('cpu', name)) / workOf(profile);
    expect(Math.abs(measured - share)).toBeLessThan(TOLERANCE);
  });

  // What the inspector measures is less where others want the CPU too: cpu-time.e2e-spec.ts holds it to the system's word.
  if (sampler === 'pprof') {
    it('counts the whole duration of a busy process as CPU time', () => {
      const busy = profile.total('cpu') / profile.durationNanos;
      expect(busy).toBeGreaterThan(0.9);
      expect(busy).toBeLessThan(1.1);
    });
  }

  it('says when it began and how long it took', () => {
    expect(profile.timeMs).toBeGreaterThanOrEqual(window.from);
    expect(profile.timeMs + profile.durationNanos / 1e6).toBeLessThanOrEqual(window.to + 1);
    expect(profile.durationNanos / 1e9).toBeGreaterThan(SECONDS * 0.98);
    expect(profile.durationNanos / 1e9).toBeLessThan(SECONDS * 1.1);
  });

  it('has the period of its rate', () => {
    expect(profile.period).toBe(1e6);
  });

  describeGo(`go tool pprof on ${file} by ${sampler}`, () => {
    let path: string;
    beforeAll(() => {
      path = profileFile(`${sampler}-${file}.pb.gz`, bytes);
    });

    it('-top shows the same shares and the name of the program', async () => {
      const output = await goPprof('-top', '-cum', path);
      expect(output).toContain(`File: ${file}\n`);
      const rows = topRows(output);
      const work = rows.get('runOnce')!.cumPercent;
      expect(work).toBeGreaterThan(80);
      for (const [name, share] of Object.entries(SHARES)) {
        expect(Math.abs((100 * rows.get(name)!.cumPercent) / work - share)).toBeLessThan(TOLERANCE);
      }
    });

    it('-comments names the sampler, its rate, and what it samples', async () => {
      expect(await goPprof('-comments', path)).toContain(`main thread by ${sampler} at 1000 Hz`);
    });

    it('-list shows the time at the lines that took it', async () => {
      const loop = linesOf(await goPprof('-list', '^hotA$', path)).filter(({ source }) =>
        /for \(let i|\/\/ hot/.test(source),
      );
      const seconds = loop.reduce((sum, { flat }) => sum + flat, 0);
      expect(seconds).toBeGreaterThan((0.5 * profile.total('cpu')) / 1e9);
    });

    if (sampler === 'pprof') {
      it('-list shows the line of the call in callers', async () => {
        const listed = linesOf(await goPprof('-list', '^runOnce$', path));
        const call = listed.find(({ source }) => source.includes('// the call'));
        expect(call?.cum).toBeGreaterThan((0.7 * profile.total('cpu')) / 1e9);
      });
    }
  });
});

describe.each(['pprof', 'inspector'])('A CPU profile by %s, fetched while the process is busy', (sampler) => {
  let app: Workload;
  beforeAll(async () => {
    app = await startWorkload('cpu.mjs', { env: { SAMPLER: sampler } });
  });
  afterAll(() => TestProcess.stopAll());

  it('has the period of the rate that was asked for', async () => {
    const profile = await app.profile('profile?seconds=1&hz=100');
    expect(profile.period).toBe(10_000_000);
    expect(profile.comments[0]).toContain(`by ${sampler} at 100 Hz`);
    expect(profile.total('samples')).toBeGreaterThan(70);
    expect(profile.total('samples')).toBeLessThan(130);
  });

  describeGo(`go tool pprof over HTTP, ${sampler}`, () => {
    it('fetches it with -seconds', async () => {
      const rows = topRows(await goPprof('-top', '-seconds=1', app.pprof('profile?hz=1000')));
      expect([...rows.keys()]).toEqual(expect.arrayContaining(['hotA', 'hotB']));
    });
  });
});

/** What the workload shares out; the profile also has V8's own sampling thread, which at 1000 Hz is some 3 %. */
function workOf(profile: DecodedProfile): number {
  const work = profile.cumulative('cpu', 'runOnce');
  expect(work / profile.total('cpu')).toBeGreaterThan(0.8); // the rest is what V8 does beside it
  return work;
}

/** The lines of `-list`: their times in seconds and what the file has there. */
function linesOf(output: string): { flat: number; cum: number; source: string }[] {
  return [...output.matchAll(/^ *(\S+) +(\S+) +\d+:(.*)$/gm)].map(([, flat, cum, source]) => ({
    flat: seconds(flat!),
    cum: seconds(cum!),
    source: source!,
  }));
}

function seconds(text: string): number {
  const [, number = '0', unit = 's'] = /^([\d.]*\d)(\w+)$/.exec(text) ?? [];
  return Number(number) * { s: 1, ms: 1e-3, us: 1e-6, ns: 1e-9 }[unit]!;
}
