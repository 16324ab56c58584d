import { afterEach, describe, expect, it } from '@jest/globals';
import { amount, describeGo, goPprof, profileFile, topRows } from '../support/go.js';
import { type DecodedProfile, startWorkload, TestProcess, type Workload } from '../support/process.js';
import { deltaByAddress } from '../support/scraper.js';

const MB = 2 ** 20;
const RATE = 32_768;
const TOLERANCE = 0.1;

/** Of a window. The application is told what to do when it is open, and has done it before it can end. */
const SECONDS = 3;

/** What hold.cjs holds. */
const HELD = 30 * MB;

const SAMPLERS = ['pprof', 'inspector'];

const ALLOCATED = ['alloc_objects', 'alloc_space'];

/** V8 then samples every 32 KB sharp: 20 MB are 640 samples, whose number varies by 4 % otherwise. */
const EVENLY = '--sampling-heap-profiler-suppress-randomness';

const BEFORE = /^\(allocated before (.+)\)$/;

afterEach(() => TestProcess.stopAll());

describe.each(SAMPLERS)('windows of time, by %s', (sampler) => {
  const start = (): Promise<Workload> => startAllocs(sampler);

  it('of allocs have all that was allocated in them, dead or alive, and nothing else', async () => {
    const app = await start();
    await app.post('before');
    const { profiles, done } = await inWindows(app, ['allocs'], () => app.post<Work>('work'));
    const [profile] = profiles as [DecodedProfile];
    expect(off(profile.flat('alloc_space', 'churnObjects'), done.churned)).toBeLessThan(TOLERANCE);
    expect(off(profile.flat('alloc_space', 'keepObjects'), done.kept)).toBeLessThan(TOLERANCE);
    expect(profile.flat('alloc_space', 'churnBefore')).toBe(0);
    expect(profile.flat('alloc_space', 'keepBefore')).toBe(0);
    expect(profile.total('inuse_space')).toBe(0);
    expect(profile.durationNanos / 1e9).toBeGreaterThan(SECONDS - 0.1);
    expect(profile.period).toBe(RATE);
    expect(defaultTypeOf(profile)).toBe('alloc_space');
    expect(profile.comments.join('\n')).toContain(
      `what was allocated in the window, dead or alive, sampled every ${RATE} bytes; inuse_* is not told`,
    );
    expect(profile.comments.join('\n')).toContain('object counts are estimates');
  });

  it('of heap have what is alive in the end and was not before', async () => {
    const app = await start();
    await app.post('before');
    const { profiles, done } = await inWindows(app, ['heap'], () => app.post<Work>('work'));
    const [profile] = profiles as [DecodedProfile];
    expect(off(profile.flat('inuse_space', 'keepObjects'), done.kept)).toBeLessThan(TOLERANCE);
    // What it keeps is kept; V8 itself may have allocated a thing in it that has gone meanwhile.
    expect(Math.abs(profile.flat('inuse_space', 'keepBefore'))).toBeLessThan(done.kept / 20);
    expect(profile.durationNanos / 1e9).toBeGreaterThan(SECONDS - 0.1);
  });

  it('of allocs may overlap: each has its own', async () => {
    const app = await start();
    const first = app.profile('allocs?seconds=5');
    await openedBefore(app, first);
    const more = await app.post<{ bytes: number }>('more');
    const second = app.profile(`allocs?seconds=${SECONDS}`);
    await openedBefore(app, second);
    const work = await app.post<Work>('work');
    expect(off((await first).flat('alloc_space', 'keepMore'), more.bytes)).toBeLessThan(TOLERANCE);
    expect((await second).flat('alloc_space', 'keepMore')).toBe(0);
    for (const profile of await Promise.all([first, second])) {
      expect(off(profile.flat('alloc_space', 'churnObjects'), work.churned)).toBeLessThan(TOLERANCE);
      expect(off(profile.flat('alloc_space', 'keepObjects'), work.kept)).toBeLessThan(TOLERANCE);
    }
  });

  it('of allocs make V8 forget: what was alive before is in one frame, which says so, until it is gone', async () => {
    const app = await start();
    await app.post('hold');
    expect(off((await app.profile('heap?gc=1')).flat('inuse_space', 'holdObjects'), HELD)).toBeLessThan(
      TOLERANCE,
    );

    const { done: during } = await inWindows(app, ['allocs'], () => app.profile('heap'));
    expect(during.cumulative('inuse_space', 'holdObjects')).toBe(0);
    expect(before(during).bytes).toBeGreaterThan(HELD);
    expect(during.comments.join('\n')).toContain(
      'what is alive is not told while a window of allocs is open',
    );

    const held = await app.profile('heap?gc=1');
    expect(held.cumulative('inuse_space', 'holdObjects')).toBe(0);
    expect(held.comments.join('\n')).not.toContain('what is alive is not told');
    expect(held.comments).toContain(
      `a window of allocs made V8 forget what was allocated before ${before(held).time}`,
    );
    expect(Date.parse(before(held).time)).toBeGreaterThan(Date.parse(before(during).time));

    const { bytes: more } = await app.post<{ bytes: number }>('more');
    const both = await app.profile('heap?gc=1');
    expect(off(both.flat('inuse_space', 'keepMore'), more)).toBeLessThan(TOLERANCE);
    expect(Math.abs(before(both).bytes - before(held).bytes)).toBeLessThan(TOLERANCE * HELD);

    await app.post('drop');
    const dropped = await app.profile('heap?gc=1');
    expect(dropped.cumulative('inuse_space', 'holdObjects')).toBe(0);
    expect(off(before(both).bytes - before(dropped).bytes, HELD)).toBeLessThan(TOLERANCE);
  });

  it('of heap count only what is new where one of allocs came in between, and lose nothing', async () => {
    const app = await start();
    await app.post('hold');
    await app.post('holdBuffers');
    const heap = app.profile('heap?seconds=6');
    await openedBefore(app, heap);
    const allocs = app.profile('allocs?seconds=1');
    await openedBefore(app, allocs);
    await allocs;
    const { bytes } = await app.post<{ bytes: number }>('more');
    const profile = await heap;
    expect(off(profile.flat('inuse_space', 'keepMore'), bytes)).toBeLessThan(TOLERANCE);
    expect(profile.cumulative('inuse_space', 'holdObjects')).toBe(0);
    expect(profile.flat('inuse_space', '(ArrayBuffers)')).toBeLessThan(5 * MB);
    expect(profile.samples.filter(({ values }) => Object.values(values).some((value) => value < 0))).toEqual(
      [],
    );
  });

  it('of allocs end when the client goes away', async () => {
    const app = await start();
    const client = new AbortController();
    const gone = fetch(app.pprof('allocs?seconds=60'), { signal: client.signal }).catch(() => {});
    await app.post('opened');
    client.abort();
    await gone;
    await app.post('closed');
    const { bytes } = await app.post<{ bytes: number }>('more');
    const profile = await app.profile('heap?gc=1');
    expect(off(profile.flat('inuse_space', 'keepMore'), bytes)).toBeLessThan(TOLERANCE);
  });

  it('of allocs end when the application shuts down', async () => {
    const app = await start();
    const answer = fetch(app.pprof('allocs?seconds=60'));
    await openedBefore(app, answer);
    await app.post('close');
    const { status } = await answer;
    expect([status, await (await answer).text()]).toEqual([500, 'context canceled\n']);
    expect(await app.process.exited).toBe(0);
  });

  it("of allocs are refused where V8's heap sampler is someone else's, who would lose its samples", async () => {
    const app = await startWorkload('allocs.mjs', {
      env: { SAMPLER: sampler, BEFORE: 'otherStarts' },
    });
    const answer = await fetch(app.pprof('allocs?seconds=1'));
    expect([answer.status, await answer.text()]).toEqual([
      400,
      '"seconds" parameter is not supported for this profile type\n',
    ]);
    await app.profile('allocs');
  });
});

describe.each(SAMPLERS)('allocs without seconds, by %s', (sampler) => {
  it('never falls, and has at least what is alive', async () => {
    const app = await startAllocs(sampler, []); // to sample evenly misses the share of objects as large as the rate
    const readings: DecodedProfile[] = [];
    for (let turn = 1; turn <= 6; turn++) {
      await app.post('turn');
      readings.push(await app.profile(turn % 3 === 0 ? 'heap?gc=1' : 'allocs'));
    }
    for (const [i, reading] of readings.entries()) {
      expect(fallenIn(readings[i - 1], reading)).toEqual([]);
      expect(reading.samples.filter(({ values }) => isLess(values, 'objects', 'space'))).toEqual([]);
    }
    const [first, last] = [readings[0]!, readings.at(-1)!];
    // The inspector does not tell objects of the rate's size and half of it apart.
    const tolerance = sampler === 'inspector' ? 0.15 : TOLERANCE;
    expect(off(last.flat('alloc_space', 'keepTurn'), 6 * TURN)).toBeLessThan(tolerance);
    expect(last.flat('inuse_space', 'keepTurn')).toBeLessThan(5.5 * TURN); // three turns are held
    expect(defaultTypeOf(first)).toBe('alloc_space');
    expect(first.durationNanos).toBe(0);
    expect(first.comments).toContain(
      'alloc_* is a lower bound: of what was allocated between two readings, V8 forgets what has died',
    );
  });

  it('goes on after a window, which is in it', async () => {
    const app = await startAllocs(sampler);
    await app.post('more');
    const before = await app.profile('allocs');
    const { done } = await inWindows(app, ['allocs'], () => app.post<Work>('work'));
    const after = await app.profile('allocs');
    expect(fallenIn(before, after)).toEqual([]);
    expect(off(after.flat('alloc_space', 'churnObjects'), done.churned)).toBeLessThan(TOLERANCE);
    await app.post('more');
    const again = await app.profile('allocs');
    expect(fallenIn(after, again)).toEqual([]);
    expect(again.flat('alloc_space', 'keepMore') / before.flat('alloc_space', 'keepMore')).toBeGreaterThan(
      1.9,
    );
  });

  it.each(['stopSampling', 'disconnect'])(
    "goes on where another session stops V8's sampler by %s, and heap says since when it knows",
    async (act) => {
      const app = await startAllocs(sampler);
      await app.post('more');
      const before = await app.profile('allocs');
      await app.post(act);
      await app.profile('heap'); // from here on ours runs again
      await app.post('more');
      const after = await app.profile('allocs');
      expect(fallenIn(before, after)).toEqual([]);
      expect(after.flat('alloc_space', 'keepMore') / before.flat('alloc_space', 'keepMore')).toBeGreaterThan(
        1.9,
      );
      expect(after.comments.join('\n')).toMatch(
        /someone else, who stopped V8's one heap sampler, made V8 forget/,
      );
    },
  );

  it('does not grow with every size that there is', async () => {
    const app = await startAllocs(sampler);
    const counts: number[] = [];
    for (let turn = 0; turn < 10; turn++) {
      await app.post('odd');
      const { samples } = await app.profile('allocs');
      counts.push(samples.filter(({ stack }) => stack[0] === 'keepOdd').length);
    }
    expect(counts[0]).toBeGreaterThan(10);
    expect(counts.at(-1)! / counts[4]!).toBeLessThan(1.5);
  });
});

describeGo('go tool pprof', () => {
  describe.each(SAMPLERS)('on windows by %s', (sampler) => {
    it('-sample_index=alloc_space -top shows what was allocated', async () => {
      const app = await startAllocs(sampler);
      await app.post('before');
      const top = goPprof('-top', '-sample_index=alloc_space', app.pprof(`allocs?seconds=${SECONDS}`));
      await openedBefore(app, top);
      const { churned, kept } = await app.post<Work>('work');
      const rows = topRows(await top);
      expect(off(amount(rows.get('churnObjects')!.flat), churned)).toBeLessThan(TOLERANCE);
      expect(off(amount(rows.get('keepObjects')!.flat), kept)).toBeLessThan(TOLERANCE);
      expect([...rows.keys()]).not.toContain('churnBefore');
    });

    it('-base shows what two heaps differ by', async () => {
      const app = await startAllocs(sampler);
      await app.post('before');
      const files: string[] = [];
      for (const name of ['earlier', 'later']) {
        const { bytes } = await app.download('heap?gc=1');
        files.push(profileFile(`${sampler}-${name}.pb.gz`, bytes));
        await app.post('more');
      }
      const rows = topRows(await goPprof('-top', '-base', ...(files as [string, string])));
      expect(off(amount(rows.get('keepMore')!.flat), 20 * MB)).toBeLessThan(TOLERANCE);
      expect([...rows.keys()]).not.toContain('keepBefore');
    });

    it('-seconds takes a window of heap', async () => {
      const app = await startAllocs(sampler);
      const top = goPprof('-top', '-seconds', `${SECONDS}`, app.pprof('heap'));
      await openedBefore(app, top);
      const { kept } = await app.post<Work>('work');
      const output = await top;
      expect(output).toMatch(/^Type: inuse_space$/m);
      expect(output).toMatch(/^Duration: 3(\.\d+)?s,/m);
      expect(off(amount(topRows(output).get('keepObjects')!.flat), kept)).toBeLessThan(TOLERANCE);
    });
  });
});

/** What one turn of churn.cjs keeps. */
const TURN = 33.78 * MB;

/** Bytes. */
interface Work {
  readonly churned: number;
  readonly kept: number;
}

function startAllocs(sampler: string, flags = [EVENLY]): Promise<Workload> {
  return startWorkload('allocs.mjs', {
    env: { SAMPLER: sampler, MEM_RATE: `${RATE}`, OBJECTS: `${HELD / 1024}` },
    flags,
  });
}

/** Windows of these profiles at the same time, and what was done when all were open. */
async function inWindows<T>(
  app: Workload,
  names: readonly string[],
  act: () => Promise<T>,
): Promise<{ profiles: DecodedProfile[]; done: T }> {
  const profiles = Promise.all(names.map((name) => app.profile(`${name}?seconds=${SECONDS}`)));
  for (let i = 0; i < names.length; i++) await openedBefore(app, profiles);
  const done = await act();
  return { profiles: await profiles, done };
}

/** A window is open; if what needs it fails instead, so does this. */
async function openedBefore(app: Workload, end: Promise<unknown>): Promise<void> {
  await Promise.race([app.post('opened'), end]);
}

/** The one frame of what V8 has forgotten. */
function before(profile: DecodedProfile): { time: string; bytes: number } {
  const [sample, ...others] = profile.samples.filter(({ stack }) => BEFORE.test(stack[0]!));
  expect(others).toEqual([]);
  expect(sample!.stack).toHaveLength(1);
  const [, time] = BEFORE.exec(sample!.stack[0]!)!;
  return { time: time!, bytes: sample!.values.inuse_space! };
}

/** What has less allocated than before, or is gone. */
function fallenIn(earlier: DecodedProfile | undefined, later: DecodedProfile): unknown[] {
  if (!earlier) return [];
  const delta = deltaByAddress(earlier, later, ALLOCATED);
  return [...delta].filter(([, values]) => Object.values(values).some((value) => value < 0));
}

/** Whether less was allocated than is alive. The frame of what was forgotten counts as none: it has no allocations. */
function isLess(values: Readonly<Record<string, number>>, ...units: readonly string[]): boolean {
  return units.some((unit) => values[`alloc_${unit}`]! < values[`inuse_${unit}`]!);
}

function defaultTypeOf({ raw }: DecodedProfile): string {
  return raw.stringTable.strings[Number(raw.defaultSampleType)]!;
}

/** How far off a measured value is, as a part of what it should be. */
function off(measured: number, expected: number): number {
  return Math.abs(measured / expected - 1);
}
