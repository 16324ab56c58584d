import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from '@jest/globals';
import { decodeProfile } from '../../src/format/decode.js';
import { finished } from '../../src/format/finished.js';
import { type Profile, samplesOf } from '../../src/format/profile.js';
import { amount, describeGo, goPprof, profileFile, runGoPprof, topRows } from '../support/go.js';
import { startWorkload, TestProcess, type Workload } from '../support/process.js';

const MB = 2 ** 20;
const RATE = 32_768;
const TOLERANCE = 0.1;

/** What hold.cjs holds. */
const HELD = 30 * MB;

const SAMPLERS = ['pprof', 'inspector'];

const EVENLY = '--sampling-heap-profiler-suppress-randomness';

/** Nothing is so little that it is not shown. */
const ALL = ['-nodefraction=0', '-nodecount=100000'];

afterEach(() => TestProcess.stopAll());

describeGo('go tool pprof subtracts', () => {
  describe.each(['-base', '-diff_base'])('with %s', (base) => {
    it('files, and what has not changed cancels exactly', async () => {
      const app = await start();
      await connect(app, { takeConnection: 2, borrowConnection: 3 });
      const earlier = await save(app, 'conns');
      expect(await gains(base, earlier, earlier)).toEqual({});
      await connect(app, { borrowConnection: 2 });
      expect(await gains(base, earlier, await save(app, 'conns'))).toEqual({ borrowConnection: 2 });
    });

    it('a file from a URL, and a URL from a file', async () => {
      const app = await start();
      await connect(app, { takeConnection: 2, borrowConnection: 3 });
      const earlier = await save(app, 'conns');
      await connect(app, { takeConnection: 1 });
      expect(await gains(base, earlier, app.pprof('conns'))).toEqual({ takeConnection: 1 });
      expect(await gains(base, app.pprof('conns'), earlier)).toEqual({ takeConnection: -1 });
      expect(await gains(base, app.pprof('conns'), app.pprof('conns'))).toEqual({});
    });

    it('texts that it has asked the names of', async () => {
      const app = await start();
      await connect(app, { takeConnection: 2 });
      const text = app.pprof('conns?debug=1');
      expect(await gains(base, text, text)).toEqual({});
    });

    it('the program from itself before it was started anew', async () => {
      const first = await start();
      await connect(first, { takeConnection: 2, borrowConnection: 3 });
      const earlier = await save(first, 'conns');
      await first.process.stop();
      const second = await start();
      await connect(second, { takeConnection: 2, borrowConnection: 4 });
      expect(await gains(base, earlier, second.pprof('conns'))).toEqual({ borrowConnection: 1 });
    });
  });

  it('with -normalize, shares: of twice as many of the same there is nothing left', async () => {
    const app = await start();
    await connect(app, { takeConnection: 1, borrowConnection: 3 });
    const earlier = await save(app, 'conns');
    await connect(app, { takeConnection: 1, borrowConnection: 3 });
    expect(await gains('-normalize', '-base', earlier, app.pprof('conns'))).toEqual({});
    await connect(app, { takeConnection: 16 }); // 18 to 6, which is 3 to 1 where it was 1 to 3
    expect(await gains('-normalize', '-base', earlier, app.pprof('conns'))).toEqual({
      takeConnection: 2,
      borrowConnection: -2,
    });
  });

  it.each(SAMPLERS)('heaps by %s: what is still held cancels exactly', async (sampler) => {
    const app = await start(sampler);
    await app.post('hold');
    const earlier = await save(app, 'heap?gc=1');
    const { bytes } = await app.post<{ bytes: number }>('more');
    for (const base of ['-base', '-diff_base']) {
      const rows = topRows(await goPprof('-top', ...ALL, base, earlier, app.pprof('heap?gc=1')));
      expect(off(amount(rows.get('keepMore')!.flat), bytes)).toBeLessThan(TOLERANCE);
      expect(rows.get('holdObjects')?.flat ?? '0').toBe('0');
    }
  });

  it.each(SAMPLERS)(
    'heaps by %s from one before a restart: what is held as before has one place',
    async (sampler) => {
      const first = await start(sampler);
      await first.post('hold');
      const earlier = await save(first, 'heap?gc=1');
      await first.process.stop();
      const second = await start(sampler);
      await second.post('hold');
      const rows = topRows(await goPprof('-top', ...ALL, '-base', earlier, second.pprof('heap?gc=1')));
      // V8 takes some samples more or less, by when it optimizes what allocates; places that differ would leave all of it.
      expect(Math.abs(amount(rows.get('holdObjects')?.flat ?? '0'))).toBeLessThan(HELD / 20);
    },
  );
});

describeGo('what go tool pprof writes again of ours', () => {
  it.each([
    'heap',
    'allocs',
    'profile?seconds=1',
    'heap?seconds=1',
    'allocs?seconds=1',
    'goroutine',
    'conns',
  ])('is the same: %s', async (path) => {
    const app = await start();
    await connect(app, { takeConnection: 2, borrowConnection: 3 });
    const ours = await save(app, path);
    expect(contentOf(await written(ours))).toEqual(contentOf(read(ours)));
  });

  it.each(SAMPLERS)(
    'of the text of a heap by %s has the totals of the binary form, by function',
    async (sampler) => {
      const app = await start(sampler);
      await app.post('hold');
      await app.post('more');
      const { binary, text } = await app.post<{ binary: string; text: string }>('bothForms');
      const profile = read(profileFile('both.pb.gz', Buffer.from(binary, 'base64')));
      const ours = flatByFunction(profile, profile);
      const theirs = flatByFunction(await written(profileFile('both.txt', Buffer.from(text))), profile);
      for (const name of ['holdObjects', 'keepMore']) {
        expect(ours.get(name)).toBeGreaterThan(10 * MB);
        expect(off(theirs.get(name)!, ours.get(name)!)).toBeLessThan(0.005);
      }
      // The text has whole samples of each stack and size: each of them may be off by half of one.
      const stacks = countByFunction(profile);
      const differ = [...ours].filter(
        ([name, bytes]) => Math.abs((theirs.get(name) ?? 0) - bytes) > stacks.get(name)! * 1.5 * RATE,
      );
      expect(differ).toEqual([]);
      expect([...theirs.keys()].filter((name) => !ours.has(name))).toEqual([]);
    },
  );

  it('of the text of counts has exactly those of the binary form, by function', async () => {
    const app = await start();
    await connect(app, { takeConnection: 2, borrowConnection: 3 });
    const profile = read(await save(app, 'conns'));
    const text = await written(await save(app, 'conns?debug=1'));
    expect(flatByFunction(text, profile)).toEqual(
      new Map([
        ['takeConnection', 2],
        ['borrowConnection', 3],
      ]),
    );
  });
});

function start(sampler = 'inspector'): Promise<Workload> {
  return startWorkload('allocs.mjs', {
    env: { SAMPLER: sampler, MEM_RATE: `${RATE}`, OBJECTS: `${HELD / 1024}` },
    flags: [EVENLY],
  });
}

/** Adds to the profile `conns`, so many times by each. */
async function connect(app: Workload, times: Readonly<Record<string, number>>): Promise<void> {
  for (const [order, count] of Object.entries(times)) {
    for (let i = 0; i < count; i++) await app.post(order);
  }
}

async function save(app: Workload, path: string): Promise<string> {
  const answer = await fetch(app.pprof(path));
  expect(answer.status).toBe(200);
  const name = `${path.replaceAll(/\W/g, '-')}-${process.hrtime.bigint()}`;
  return profileFile(name, Buffer.from(await answer.arrayBuffer()));
}

/** What functions have more themselves, as the client shows it; those with nothing are left out. */
async function gains(...args: string[]): Promise<Record<string, number>> {
  const rows = topRows(await goPprof('-top', ...ALL, ...args));
  const flat = [...rows].map(([name, row]) => [name, Number(row.flat)] as const);
  return Object.fromEntries(flat.filter(([, value]) => value !== 0));
}

function read(file: string): Profile {
  return finished(decodeProfile(gunzipSync(readFileSync(file))));
}

/** What `go tool pprof -proto` makes of a file. */
async function written(file: string): Promise<Profile> {
  const path = `${file}.again`;
  const { code, output } = await runGoPprof('-proto', '-symbolize=none', `-output=${path}`, file);
  expect({ code, output: code === 0 || output }).toEqual({ code: 0, output: true });
  return read(path);
}

/** All that a profile says, in an order of its own. */
function contentOf(profile: Profile): unknown {
  const { sampleTypes, defaultSampleType, periodType, period, timeNanos, durationNanos, comments } = profile;
  const samples = [...samplesOf(profile)]
    .map(({ labels, ...sample }) => JSON.stringify({ ...sample, labels: Object.entries(labels).sort() }))
    .sort();
  const header = { sampleTypes, defaultSampleType, periodType, period, timeNanos, durationNanos, comments };
  const { mappings, locations } = profile;
  return { header, mappings, samples, addresses: [...locations.address].sort((a, b) => a - b) };
}

/** The last value of the samples by the function of their innermost place, whose names `named` has. */
function flatByFunction(profile: Profile, named: Profile): Map<string, number> {
  const sums = new Map<string, number>();
  const width = profile.sampleTypes.length;
  for (const [i, name] of leaves(profile, named).entries()) {
    const value = profile.samples.values[(i + 1) * width - 1]!;
    if (value !== 0) sums.set(name, (sums.get(name) ?? 0) + value);
  }
  return sums;
}

/** The number of samples of each. */
function countByFunction(profile: Profile): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of leaves(profile, profile)) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

function leaves({ samples, locations }: Profile, named: Profile): string[] {
  const names = new Map(
    Array.from(named.locations.address, (address, i) => {
      const fn = named.locations.lineFunction[named.locations.lineStart[i]!]!;
      return [address, named.strings[named.functions.name[fn]!]!];
    }),
  );
  return Array.from({ length: samples.length }, (_, i) => {
    const address = locations.address[samples.stack[samples.stackStart[i]!]!]!;
    return names.get(address) ?? `0x${address.toString(16)}`;
  });
}

/** How far off a measured value is, as a part of what it should be. */
function off(measured: number, expected: number): number {
  return Math.abs(measured / expected - 1);
}
