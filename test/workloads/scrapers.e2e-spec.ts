import { afterEach, describe, expect, it } from '@jest/globals';
import { type Answer, request } from '../support/http.js';
import { DecodedProfile, startWorkload, TestProcess, type Workload } from '../support/process.js';
import { deltaByAddress, flawsOf, type SampleValues } from '../support/scraper.js';

const MB = 2 ** 20;
const RATE = 32_768;
const TOLERANCE = 0.1;

/** What hold.cjs holds. */
const HELD = 30 * MB;

const SAMPLERS = ['pprof', 'inspector'];

const EVENLY = '--sampling-heap-profiler-suppress-randomness';

/**
 * How scrapers ask: with Prometheus' client, which takes no encodings. Alloy stores what it makes of `allocs` by itself,
 * Parca the bytes.
 */
const ALLOY = 'Alloy/v1.11.0 (linux; docker)';
const SCRAPERS = [
  { name: 'Grafana Alloy', agent: ALLOY },
  { name: 'Parca', agent: 'conprof/0.24.0' },
];

/** Names and units are those of the series in Pyroscope and Parca, the last one of which is the period's; Alloy subtracts the first two. */
const MEMORY_TYPES = [
  'alloc_objects/count',
  'alloc_space/bytes',
  'inuse_objects/count',
  'inuse_space/bytes',
  'space/bytes',
];
const ALLOCATED = ['alloc_objects', 'alloc_space'];

afterEach(() => TestProcess.stopAll());

describe.each(SCRAPERS)('$name', ({ agent }) => {
  describe.each(SAMPLERS)('scrapes what is sampled by %s', (sampler) => {
    it('with its defaults, and finds what was allocated between two scrapes', async () => {
      const app = await start(sampler);
      const profiles = [await scrape(app, 'allocs', agent)];
      await app.post('before');
      profiles.push(await scrape(app, 'allocs', agent));
      const { kept, churned } = await app.post<{ kept: number; churned: number }>('work');
      profiles.push(await scrape(app, 'allocs', agent));
      profiles.push(await scrape(app, 'allocs', agent));

      for (const [i, profile] of profiles.entries()) {
        expect(flawsOf(profile)).toEqual([]);
        expect(profile.durationNanos).toBe(0);
        expect(typesOf(profile)).toEqual(MEMORY_TYPES);
        if (i === 0) continue;
        const delta = deltaByAddress(profiles[i - 1]!, profile, ALLOCATED);
        expect([...delta].filter(([, values]) => isNegative(values))).toEqual([]);
      }
      const [, before, after, again] = profiles as [unknown, DecodedProfile, DecodedProfile, DecodedProfile];
      expect(off(gain(before, after, 'keepObjects'), kept)).toBeLessThan(TOLERANCE);
      expect(gain(before, after, 'keepBefore')).toBe(0);
      expect(gain(after, again, 'keepObjects')).toBe(0);
      // Of what has died V8 may know none, but never more than there was.
      expect(gain(before, after, 'churnObjects')).toBeLessThan((1 + TOLERANCE) * churned);
    });

    it('with `seconds` at each path at once, and all of them are deltas', async () => {
      const app = await start(sampler);
      await app.post('hold');
      const paths = ['allocs', 'heap', 'profile'];
      const scraped = await Promise.all(
        paths.map((path) => scrape(app, `${path}?seconds=1&seconds=1`, agent)),
      );
      for (const profile of scraped) {
        expect(flawsOf(profile)).toEqual([]);
        expect(profile.durationNanos / 1e9).toBeGreaterThan(0.9);
      }
      for (const path of ['allocs', 'heap']) expect((await scrape(app, path, agent)).durationNanos).toBe(0);
    });
  });
});

describe.each(SAMPLERS)(
  'Grafana Alloy with one table of parameters for all profiles, sampled by %s',
  (sampler) => {
    it('asks each path for `seconds`, again and again, and heap still tells how much there is', async () => {
      const app = await start(sampler);
      await app.post('hold');
      await app.post('more');
      const earlier = await scrape(app, 'allocs', ALLOY);
      const scrapeAll = (): Promise<DecodedProfile[]> =>
        Promise.all(
          ['allocs?seconds=1', 'heap?seconds=1', 'heap', 'allocs'].map((path) => scrape(app, path, ALLOY)),
        );
      for (let i = 0; i < 2; i++) {
        const [allocs, heapDelta, heap] = (await scrapeAll()) as [
          DecodedProfile,
          DecodedProfile,
          DecodedProfile,
        ];
        expect(allocs.samples.filter(({ values }) => isNegative(values))).toEqual([]);
        expect(heapDelta.samples.filter(({ values }) => isNegative(pick(values)))).toEqual([]);
        expect(heap.total('inuse_space')).toBeGreaterThan(HELD);
      }
      const later = await scrape(app, 'allocs', ALLOY);
      const delta = deltaByAddress(earlier, later, ALLOCATED);
      expect([...delta].filter(([, values]) => isNegative(values))).toEqual([]);

      const { bytes } = await app.post<{ bytes: number }>('more');
      const heap = await scrape(app, 'heap?gc=1', ALLOY);
      const { used } = await app.post<{ used: number }>('memory');
      expect(off(heap.flat('inuse_space', 'keepMore'), bytes)).toBeLessThan(TOLERANCE);
      const outside = ['(external)', '(ArrayBuffers)'].reduce(
        (sum, name) => sum + heap.flat('inuse_space', name),
        0,
      );
      expect(off(heap.total('inuse_space') - outside, used)).toBeLessThan(TOLERANCE);
    });
  },
);

function start(sampler: string): Promise<Workload> {
  return startWorkload('allocs.mjs', {
    env: { SAMPLER: sampler, MEM_RATE: `${RATE}`, OBJECTS: `${HELD / 1024}` },
    flags: [EVENLY],
  });
}

/** A profile, of an answer that both of them take. */
async function scrape(app: Workload, path: string, agent: string): Promise<DecodedProfile> {
  const answer = await request(app.pprof(path), { headers: { 'user-agent': agent } });
  expectTaken(answer);
  return new DecodedProfile(answer.body);
}

function expectTaken({ status, headers, body }: Answer): void {
  expect(status).toBe(200);
  expect(headers['content-type']).toBe('application/octet-stream');
  expect(headers['content-encoding']).toBeUndefined();
  expect(body.subarray(0, 2)).toEqual(Buffer.from([0x1f, 0x8b]));
}

/** Of the samples and of the period. */
function typesOf({ raw }: DecodedProfile): string[] {
  const { strings } = raw.stringTable;
  return [...raw.sampleType, raw.periodType!].map(
    ({ type, unit }) => `${strings[Number(type)]}/${strings[Number(unit)]}`,
  );
}

/** What a scraper finds that a function has allocated between two scrapes. */
function gain(earlier: DecodedProfile, later: DecodedProfile, name: string): number {
  return later.flat('alloc_space', name) - earlier.flat('alloc_space', name);
}

function isNegative(values: SampleValues): boolean {
  return Object.values(values).some((value) => value < 0);
}

/** What is alive may be less than before; what was allocated may not. */
function pick({ alloc_objects, alloc_space }: SampleValues): SampleValues {
  return { alloc_objects: alloc_objects!, alloc_space: alloc_space! };
}

/** How far off a measured value is, as a part of what it should be. */
function off(measured: number, expected: number): number {
  return Math.abs(measured / expected - 1);
}
