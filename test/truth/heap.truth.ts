import { afterAll, afterEach, beforeAll, describe, it } from '@jest/globals';
import { type DecodedProfile } from '../support/decoded-profile.js';
import { amount, describeGo, goPprof, profileFile, topRows } from '../support/go.js';
import { startWorkload, TestProcess, type Workload } from '../support/process.js';
import { atLeast, atMost, claim, sampledSize, within } from './claim.js';

/** Of what hold.cjs holds: 100 MB, which are 6,000 samples. */
const COUNT = 102_400;
const SIZE = 1024;
const BYTES = COUNT * SIZE;

const RATE = 16_384;

const held = (sampler: string) => sampledSize({ count: COUNT, size: SIZE, rate: RATE, sampler });

const heldIn = (profile: DecodedProfile): number => profile.flat('inuse_space', 'holdObjects') / BYTES;

/** Each sampler with each module system and adapter once. */
const READINGS = [
  { sampler: 'pprof', file: 'heap.mjs', adapter: 'fastify' },
  { sampler: 'pprof', file: 'heap.cjs', adapter: 'express' },
  { sampler: 'inspector', file: 'heap.mjs', adapter: 'express' },
  { sampler: 'inspector', file: 'heap.cjs', adapter: 'fastify' },
];

describe.each(READINGS)('the heap profile of $file on $adapter by $sampler', ({ sampler, file, adapter }) => {
  const subject = `${file} on ${adapter} by ${sampler}`;
  const bound = held(sampler);
  let app: Workload;
  let bytes: Buffer;
  let profile: DecodedProfile;

  beforeAll(async () => {
    app = await startWorkload(file, { env: { SAMPLER: sampler, ADAPTER: adapter, MEM_RATE: `${RATE}` } });
    await app.post('hold');
    ({ bytes, profile } = await app.download('heap?gc=1'));
  });
  afterAll(() => TestProcess.stopAll());

  it('shows what is held, where it was allocated', () => {
    claim(`${subject}: 100 MB are held where they were allocated`, heldIn(profile), bound);
    const callees = profile.cumulative('inuse_space', 'holdObjects') / BYTES - heldIn(profile);
    // V8 may have sampled an allocation or two of what it calls.
    claim(`${subject}: next to nothing is held by its callees`, callees, atMost(0.01, bound.n));
  });

  it('shows how many objects these are', () => {
    const ratio = profile.flat('inuse_objects', 'holdObjects') / COUNT;
    if (sampler === 'pprof') {
      claim(`${subject}: 102,400 objects are held`, ratio, bound);
      return;
    }
    // It tells no sizes, and what fits is mostly within a factor of two; the profile says so.
    claim(`${subject}: 102,400 objects are held, at least half of them shown`, ratio, atLeast(0.5, bound.n));
    claim(`${subject}: 102,400 objects are held, at most twice as many shown`, ratio, atMost(2, bound.n));
  });

  describeGo(`go tool pprof on the heap of ${file} by ${sampler}`, () => {
    it.each([
      ['inuse_space', BYTES],
      ...(sampler === 'pprof' ? [['inuse_objects', COUNT] as const] : []),
    ] as const)('-top shows %s', async (type, expected) => {
      const path = profileFile(`${sampler}-${file}.pb.gz`, bytes);
      const { flat } = topRows(await goPprof('-top', `-sample_index=${type}`, path)).get('holdObjects')!;
      claim(`${subject}: ${type} in go tool pprof -top`, amount(flat) / expected, bound);
    });
  });

  it('no longer shows what was dropped', async () => {
    await app.post('drop');
    const rest = (await app.profile('heap?gc=1')).cumulative('inuse_space', 'holdObjects') / BYTES;
    // What a register or a stack slot still refers to.
    claim(`${subject}: what was dropped is gone after gc=1`, rest, atMost(0.02, bound.n));
  });
});

describe.each(['pprof', 'inspector'])('the heap profile by %s', (sampler) => {
  const start = (rate: number): Promise<Workload> =>
    startWorkload('heap.mjs', { env: { SAMPLER: sampler, MEM_RATE: `${rate}` } });

  afterEach(() => TestProcess.stopAll());

  it('shows the memory of Buffers, and no longer that of garbage with gc=1', async () => {
    // The inspector collects at every reading of its samples: without these the request alone does.
    const app = await start(sampler === 'pprof' ? RATE : 0);
    const { bytes } = await app.post<{ bytes: number }>('holdBuffers');
    const shown = async (): Promise<number> =>
      (await app.profile('heap?gc=1')).flat('inuse_space', '(ArrayBuffers)') / bytes;
    // V8 counts them exactly; the rest are Node's own, of less than 1 MB.
    claim(`Buffers by ${sampler}: 50 MB are held at (ArrayBuffers)`, await shown(), within(0.05));
    await app.post('drop');
    claim(`Buffers by ${sampler}: what was dropped is gone after gc=1`, await shown(), atMost(0.04));
  });

  it('is the same for all who ask for a collection at the same time', async () => {
    const app = await start(RATE);
    await app.post('hold');
    const profiles = await Promise.all(Array.from({ length: 10 }, () => app.profile('heap?gc=1')));
    const shares = profiles.map(heldIn);
    claim(`ten readings at once by ${sampler}: the least has 100 MB`, Math.min(...shares), held(sampler));
    claim(`ten readings at once by ${sampler}: the greatest has 100 MB`, Math.max(...shares), held(sampler));
  });
});

describe('the Buffers of a process whose heap nobody samples, by pprof', () => {
  afterEach(() => TestProcess.stopAll());

  it('are gone with gc=1 when they were dropped', async () => {
    const app = await startWorkload('heap.mjs', { env: { SAMPLER: 'pprof', MEM_RATE: '0' } });
    const { bytes } = await app.post<{ bytes: number }>('holdBuffers');
    await app.post('drop');
    const rest = (await app.profile('heap?gc=1')).flat('inuse_space', '(ArrayBuffers)') / bytes;
    claim('Buffers by pprof at memProfileRate 0: what was dropped is gone after gc=1', rest, atMost(0.04));
  });
});

describe.each([
  { sampler: 'pprof', act: 'disconnect' },
  { sampler: 'inspector', act: 'stopSampling' },
])('the heap profile by $sampler after another session ended its sampling by $act', ({ sampler, act }) => {
  afterAll(() => TestProcess.stopAll());

  it('shows what is held since then', async () => {
    const app = await startWorkload('heap.mjs', { env: { SAMPLER: sampler, MEM_RATE: `${RATE}` } });
    await app.post(act);
    await app.profile('heap'); // which starts the sampler again
    await app.post('hold');
    const share = heldIn(await app.profile('heap?gc=1'));
    claim(`heap by ${sampler} after another session's ${act}: 100 MB are held`, share, held(sampler));
  });
});

describe.each([
  { sampler: 'pprof', close: 'closeFirst', other: 1 },
  { sampler: 'inspector', close: 'closeSecond', other: 0 },
])('the ESM and the CommonJS copy in one process by $sampler', ({ sampler, close, other }) => {
  afterAll(() => TestProcess.stopAll());

  it(`share the heap sampler, also after ${close}`, async () => {
    const app = await startWorkload('two-copies.mjs', { env: { SAMPLER: sampler, MEM_RATE: `${RATE}` } });
    await app.post('hold', app.urls[other]);
    for (const [i, url] of app.urls.entries()) {
      const copy = i === 0 ? 'ESM' : 'CommonJS';
      const share = heldIn(await app.profile('heap?gc=1', url));
      claim(`two copies by ${sampler}: the ${copy} one has 100 MB`, share, held(sampler));
    }
    await app.post(close, app.urls[other]);
    const share = heldIn(await app.profile('heap?gc=1', app.urls[other]));
    claim(`two copies by ${sampler}: the other one has 100 MB after ${close}`, share, held(sampler));
  });
});
