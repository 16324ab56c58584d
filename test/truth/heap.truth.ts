import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { amount, describeGo, goPprof, profileFile, topRows } from '../support/go.js';
import { DecodedProfile } from '../support/decoded-profile.js';
import { startWorkload, TestProcess, type Workload } from '../support/process.js';

const MB = 2 ** 20;

/** 100 MB are 3,200 samples then, whose number varies by 2 %. At the default rate they are 200, which vary by 7 %. */
const RATE = 32_768;

const TOLERANCE = 0.1;

const SAMPLERS = ['pprof', 'inspector'];

/** V8's words for collections by the inspector and by its heap sampler, with --trace-gc. */
const FORCED_COLLECTION = /low memory notification|sampling profiler/;

describe.each([
  { sampler: 'pprof', file: 'heap.mjs', adapter: 'fastify' },
  { sampler: 'pprof', file: 'heap.cjs', adapter: 'express' },
  { sampler: 'inspector', file: 'heap.mjs', adapter: 'express' },
  { sampler: 'inspector', file: 'heap.cjs', adapter: 'fastify' },
])('the heap profile of $file on $adapter by $sampler', ({ sampler, file, adapter }) => {
  let app: Workload;
  let held: { count: number; bytes: number };
  let bytes: Buffer;
  let profile: DecodedProfile;

  beforeAll(async () => {
    app = await startWorkload(file, { env: { SAMPLER: sampler, ADAPTER: adapter, MEM_RATE: `${RATE}` } });
    held = await app.post('hold');
    ({ bytes, profile } = await app.download('heap?gc=1'));
  });
  afterAll(() => TestProcess.stopAll());

  it('has the period of the option memProfileRate', () => {
    expect(profile.period).toBe(RATE);
  });

  it('shows what is held, where it was allocated', () => {
    expect(held.bytes).toBe(100 * MB);
    expect(error(profile.flat('inuse_space', 'holdObjects'), held.bytes)).toBeLessThan(TOLERANCE);
    // Of what it calls, V8 may have sampled an allocation or two.
    expect(error(profile.cumulative('inuse_space', 'holdObjects'), held.bytes)).toBeLessThan(TOLERANCE);
  });

  it(`shows how many objects these are${sampler === 'inspector' ? ', roughly, and says so' : ''}`, () => {
    const ratio = profile.flat('inuse_objects', 'holdObjects') / held.count;
    const [most, least] = sampler === 'inspector' ? [2, 0.5] : [1.1, 0.9];
    expect(ratio).toBeLessThan(most);
    expect(ratio).toBeGreaterThan(least);
    const said = profile.comments.some((comment) => comment.includes('object counts are estimates'));
    expect(said).toBe(sampler === 'inspector');
  });

  it('counts as allocated what is alive, since V8 forgets what is not', () => {
    expect(profile.flat('alloc_space', 'holdObjects')).toBe(profile.flat('inuse_space', 'holdObjects'));
  });

  describeGo(`go tool pprof on the heap of ${file} by ${sampler}`, () => {
    it.each([
      ['inuse_space', 100 * MB],
      ...(sampler === 'pprof' ? [['inuse_objects', 102_400] as const] : []),
    ] as const)('-top shows %s without a complaint', async (type, expected) => {
      const output = await goPprof(
        '-top',
        `-sample_index=${type}`,
        profileFile(`${sampler}-${file}.pb.gz`, bytes),
      );
      expect(output).toContain(`File: ${file}\n`);
      expect(error(amount(topRows(output).get('holdObjects')!.flat), expected)).toBeLessThan(TOLERANCE);
    });

    it('shows inuse_space where nobody chose', async () => {
      expect(await goPprof('-top', app.pprof('heap'))).toContain('Type: inuse_space\n');
    });
  });

  it('no longer shows what was dropped', async () => {
    await app.post('drop');
    const after = await app.profile('heap?gc=1');
    expect(after.cumulative('inuse_space', 'holdObjects')).toBeLessThan(2 * MB);
  });
});

describe.each(SAMPLERS)('the heap profile by %s', (sampler) => {
  const start = (env: Record<string, string> = {}, flags: string[] = []): Promise<Workload> =>
    startWorkload('heap.mjs', { env: { SAMPLER: sampler, ...env }, flags });

  afterEach(() => TestProcess.stopAll());

  it('has the period of 512 KB by default, and the time', async () => {
    const app = await start();
    const before = Date.now();
    const profile = await app.profile('heap');
    expect(profile.period).toBe(524_288);
    expect(profile.timeMs).toBeGreaterThanOrEqual(before);
    expect(profile.timeMs).toBeLessThanOrEqual(Date.now());
    expect(profile.comments[0]).toContain(`by ${sampler}, every 524288 bytes`);
  });

  it('shows the memory of Buffers at a root of its own', async () => {
    const app = await start();
    const { bytes } = await app.post<{ bytes: number }>('holdBuffers');
    expect(bytes).toBe(50 * MB);
    const profile = await app.profile('heap?gc=1');
    expect(error(profile.flat('inuse_space', '(ArrayBuffers)'), bytes)).toBeLessThan(TOLERANCE);
    const sample = profile.samples.find(({ stack }) => stack.includes('(ArrayBuffers)'));
    expect(sample!.stack).toEqual(['(ArrayBuffers)']);
  });

  it.each([
    ['with the heap sampled', RATE],
    ['with memProfileRate 0', 0],
  ])('has collected the garbage before it looks, with gc=1: %s', async (_, rate) => {
    const app = await start({ MEM_RATE: `${rate}` });
    await app.post('holdBuffers');
    await app.post('drop');
    const profile = await app.profile('heap?gc=1');
    expect(profile.flat('inuse_space', '(ArrayBuffers)')).toBeLessThan(2 * MB);
  });

  // V8 collects at each reading of a sampler that the inspector has started.
  const collectsNothing = sampler === 'pprof' ? [RATE, 0] : [0];
  it.each(collectsNothing)(
    'collects garbage only where somebody asks, at memProfileRate %d',
    async (rate) => {
      const app = await start({ MEM_RATE: `${rate}` }, ['--trace-gc']);
      await app.profile('heap');
      expect(app.process.output).not.toMatch(FORCED_COLLECTION);
      await app.profile('heap?gc=1');
      expect(app.process.output).toMatch(FORCED_COLLECTION);
    },
  );

  it('answers all who ask for a collection at the same time', async () => {
    const app = await start({ MEM_RATE: `${RATE}` });
    const { bytes } = await app.post<{ bytes: number }>('hold');
    const profiles = await Promise.all(Array.from({ length: 10 }, () => app.profile('heap?gc=1')));
    const errors = profiles.map((profile) => error(profile.flat('inuse_space', 'holdObjects'), bytes));
    expect(Math.max(...errors)).toBeLessThan(TOLERANCE);
  });

  it.each(['stopSampling', 'disconnect'])(
    "survives that another session stops V8's sampler by %s, and samples on",
    async (act) => {
      const app = await start({ MEM_RATE: `${RATE}` });
      await app.post(act);
      await app.profile('heap'); // answers 200
      const { bytes } = await app.post<{ bytes: number }>('hold');
      expect(error((await app.profile('heap?gc=1')).flat('inuse_space', 'holdObjects'), bytes)).toBeLessThan(
        TOLERANCE,
      );
      await app.post(act);
      await app.profile('heap?gc=1');
      expect(app.process.alive).toBe(true);
    },
  );
});

describe.each(SAMPLERS)('the ESM and the CommonJS copy in one process, sampling by %s', (sampler) => {
  const start = (env: Record<string, string> = {}): Promise<Workload> =>
    startWorkload('two-copies.mjs', { env: { SAMPLER: sampler, MEM_RATE: `${RATE}`, ...env } });

  afterEach(() => TestProcess.stopAll());

  it.each([
    ['closeFirst', 1],
    ['closeSecond', 0],
  ])('share the heap sampler: after %s the other still shows what was held before', async (close, other) => {
    const app = await start();
    const { bytes } = await app.post<{ bytes: number }>('hold', app.urls[other]);
    for (const url of app.urls) {
      expect(error((await app.profile('heap', url)).flat('inuse_space', 'holdObjects'), bytes)).toBeLessThan(
        TOLERANCE,
      );
    }

    await app.post(close, app.urls[other]);
    await expect(fetch(app.pprof('heap', app.urls[1 - other]))).rejects.toThrow('fetch failed');

    const after = await app.profile('heap?gc=1', app.urls[other]);
    expect(error(after.flat('inuse_space', 'holdObjects'), bytes)).toBeLessThan(TOLERANCE);
  });

  it('take one CPU profile at a time', async () => {
    const app = await start();
    const answers = await Promise.all(app.urls.map((url) => fetch(app.pprof('profile?seconds=1', url))));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 500]);
    const refusal = answers.find(({ status }) => status === 500);
    expect(await refusal!.text()).toContain('cpu profiling already in use');
  });

  it('warn where they want different rates, and keep to the first', async () => {
    const app = await start({ OTHER_MEM_RATE: '65536' });
    const warnings = app.process.output.split('\n').filter((line) => line.includes('WARN'));
    expect(warnings).toEqual([
      expect.stringContaining(
        `memProfileRate 65536 has no effect: V8's one heap sampler runs at ${RATE} already`,
      ),
    ]);
    for (const url of app.urls) expect((await app.profile('heap', url)).period).toBe(RATE);
  });

  it('say nothing where they agree', async () => {
    const app = await start();
    expect(app.process.output).not.toContain('WARN');
  });
});

/** How far off a measured value is, as a part of what it should be. */
function error(measured: number, expected: number): number {
  return Math.abs(measured / expected - 1);
}
