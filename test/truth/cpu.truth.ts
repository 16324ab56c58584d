import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { type DecodedProfile } from '../support/decoded-profile.js';
import { describeGo, goPprof, profileFile, topRows } from '../support/go.js';
import { startWorkload, TestProcess, type Workload } from '../support/process.js';
import { atLeast, atMost, claim, share, within } from './claim.js';

/** Of the time that the workload spends in each function. */
const SHARES = { hotA: 0.7, hotB: 0.3 };

/** 6,000 samples or more at 1000 Hz. */
const SECONDS = 10;

/** Each sampler with each module system and adapter once, chosen by the option and by the request. */
const CAPTURES = [
  { sampler: 'pprof', file: 'cpu.mjs', adapter: 'express', option: 'pprof' },
  { sampler: 'pprof', file: 'cpu.cjs', adapter: 'fastify', option: 'inspector' },
  { sampler: 'inspector', file: 'cpu.mjs', adapter: 'fastify', option: 'inspector' },
  { sampler: 'inspector', file: 'cpu.cjs', adapter: 'express', option: 'pprof' },
];

describe.each(CAPTURES)('the CPU profile of $file on $adapter by $sampler', (capture) => {
  const { sampler, file, adapter, option } = capture;
  const subject = `${file} on ${adapter} by ${sampler}`;
  let bytes: Buffer;
  let profile: DecodedProfile;
  /** Samples of the work that the application shares out. */
  let n: number;
  const window = { from: 0, to: 0 };

  beforeAll(async () => {
    const app = await startWorkload(file, { env: { SAMPLER: option, ADAPTER: adapter } });
    const query = sampler === option ? '' : `&sampler=${sampler}`;
    window.from = Date.now();
    ({ bytes, profile } = await app.download(`profile?seconds=${SECONDS}&hz=1000${query}`));
    window.to = Date.now();
    n = profile.cumulative('samples', 'runOnce');
  });
  afterAll(() => TestProcess.stopAll());

  it('gives each function its share of the work', () => {
    const work = profile.cumulative('cpu', 'runOnce');
    // The rest is V8's: at 1000 Hz its sampling thread takes some 3 %, and more of a machine that has more to do.
    claim(
      `${subject}: the application's work is most of the profile`,
      work / profile.total('cpu'),
      atLeast(0.8, n),
    );
    for (const [name, part] of Object.entries(SHARES)) {
      claim(`${subject}: ${name} has its share`, profile.cumulative('cpu', name) / work, share(part, n));
    }
  });

  // The inspector measures CPU time, which is less where other processes want the CPU too: see cpu-time.truth.ts.
  if (sampler === 'pprof') {
    it('counts the whole duration of a busy process', () => {
      // V8's threads run beside the main thread: its sampling thread takes some 3 %, its compiler and collector less.
      const busy = profile.total('cpu') / profile.durationNanos;
      claim(`${subject}: its CPU time is the duration of the capture`, busy, within(0.1, n));
    });
  }

  it('says when it began and how long it took', () => {
    const asked = SECONDS * 1000;
    const begin = profile.timeMs - window.from;
    const end = window.to - (profile.timeMs + profile.durationNanos / 1e6);
    // Of a clock of whole ms, as parts of the time that was asked for.
    claim(`${subject}: begins after it was asked for`, begin / asked, atLeast(-0.0002));
    claim(`${subject}: ends before it is answered`, end / asked, atLeast(-0.0002));
    // V8 may take a part of the time to start, and a machine that has more to do ends it late.
    claim(`${subject}: takes as long as asked, at least`, profile.durationNanos / 1e6 / asked, atLeast(0.98));
    claim(`${subject}: takes as long as asked, at most`, profile.durationNanos / 1e6 / asked, atMost(1.1));
  });

  describeGo(`go tool pprof on ${file} by ${sampler}`, () => {
    let path: string;
    beforeAll(() => {
      path = profileFile(`${sampler}-${file}.pb.gz`, bytes);
    });

    it('-top shows the same share', async () => {
      const rows = topRows(await goPprof('-top', '-cum', path));
      const measured = rows.get('hotA')!.cumPercent / rows.get('runOnce')!.cumPercent;
      claim(`${subject}: hotA has its share in go tool pprof -top`, measured, share(SHARES.hotA, n));
    });

    it('-list shows the time at the lines that took it', async () => {
      const lines = linesOf(await goPprof('-list', '^hotA$', path));
      const loop = lines.filter(({ source }) => /for \(let i|\/\/ hot/.test(source));
      const inLoop = loop.reduce((sum, { flat }) => sum + flat, 0) / (profile.flat('cpu', 'hotA') / 1e9);
      // A function that runs for 0.2 ms at a time is at its beginning or end in few samples.
      claim(`${subject}: hotA's time is at the lines of its loop`, inLoop, atLeast(0.95, SHARES.hotA * n));
    });

    if (sampler === 'pprof') {
      it('-list shows the line of the call in callers', async () => {
        const lines = linesOf(await goPprof('-list', '^runOnce$', path));
        const call = lines.find(({ source }) => source.includes('// the call'))?.cum ?? 0;
        const atCall = call / (profile.cumulative('cpu', 'runOnce') / 1e9);
        claim(`${subject}: runOnce's time is at the line of its call`, atCall, atLeast(0.95, n));
      });
    }
  });
});

describe.each(['pprof', 'inspector'])('a CPU profile by %s at a rate that was asked for', (sampler) => {
  let app: Workload;
  beforeAll(async () => {
    app = await startWorkload('cpu.mjs', { env: { SAMPLER: sampler } });
  });
  afterAll(() => TestProcess.stopAll());

  it('has as many samples of a busy thread', async () => {
    const before = await app.post<number>('cpuMs');
    const profile = await app.profile('profile?seconds=5&hz=100');
    const usedMs = (await app.post<number>('cpuMs')) - before;
    const samples = profile.total('samples');
    // V8 samples by its clock and not by chance. A thread that waits for the CPU is sampled when it goes on, once.
    const byCpuTime = samples / usedMs / 0.1;
    const byDuration = samples / (profile.durationNanos / 1e6) / 0.1;
    claim(
      `cpu.mjs by ${sampler}: hz=100 gives 100 samples a second of CPU time or more`,
      byCpuTime,
      atLeast(0.8, samples),
    );
    claim(
      `cpu.mjs by ${sampler}: hz=100 gives 100 samples a second or less`,
      byDuration,
      atMost(1.2, samples),
    );
  });
});

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
