import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import type { DecodedProfile } from '../support/decoded-profile.js';
import { startWorkload, TestProcess, type Workload } from '../support/process.js';
import { atLeast, atMost, claim, sampledSize, within } from './claim.js';

const RATE = 16_384;

/** Objects of 1 KB that churn.cjs drops and keeps: 200 and 20 MB. */
const SIZE = 1024;
const CHURNED = 204_800;
const KEPT = 20_480;

/** Of them hold.cjs holds 30 MB. */
const HELD = 30_720;

/** Of a window. The workload takes less than a second of it. */
const SECONDS = 5;

/** How long two scrapers take windows that overlap, when there are more stacks than are counted. */
const SOAK_SECONDS = Number(process.env.SOAK_SECONDS ?? 60);

/** While V8 keeps dead objects, `pprof` does not read them, and V8 has rounded the weight of each sample. */
const inWindow = (count: number) => sampledSize({ count, size: SIZE, rate: RATE, sampler: 'inspector' });

describe.each(['pprof', 'inspector'])('windows by %s', (sampler) => {
  let app: Workload;
  beforeEach(async () => {
    app = await start({ SAMPLER: sampler });
    await app.post('before');
  });
  afterEach(() => TestProcess.stopAll());

  it('of allocs have all that is allocated in them, dead or alive', async () => {
    const profile = await workInWindow(app, 'allocs');
    claimBytes(`allocs?seconds by ${sampler}: 200 MB churned`, profile, 'churnObjects', CHURNED);
    claimBytes(`allocs?seconds by ${sampler}: 20 MB kept`, profile, 'keepObjects', KEPT);
    claimNothingBefore(`allocs?seconds by ${sampler}`, profile, 'alloc_space');
    const inUse = profile.total('inuse_space');
    claim(`allocs?seconds by ${sampler}: nothing is said to be in use`, inUse, atMost(0));
    const objects = profile.flat('alloc_objects', 'churnObjects') / CHURNED;
    const { n } = inWindow(CHURNED);
    claim(
      `allocs?seconds by ${sampler}: 204,800 objects, at least half of them shown`,
      objects,
      atLeast(0.5, n),
    );
    claim(
      `allocs?seconds by ${sampler}: 204,800 objects, at most twice as many shown`,
      objects,
      atMost(2, n),
    );
  });

  it('of heap have what is kept in them', async () => {
    const profile = await workInWindow(app, 'heap');
    const bound = sampledSize({ count: KEPT, size: SIZE, rate: RATE, sampler });
    const held = profile.flat('inuse_space', 'keepObjects') / (KEPT * SIZE);
    claim(`heap?seconds by ${sampler}: 20 MB kept`, held, bound);
    claimNothingBefore(`heap?seconds by ${sampler}`, profile, 'inuse_space');
  });

  it('of allocs make V8 forget what was on the heap, which no stack shows afterwards', async () => {
    await app.post('hold');
    await app.profile('allocs?seconds=1');
    const held = await app.profile('heap?gc=1');
    await app.post('drop');
    const dropped = await app.profile('heap?gc=1');
    const { heapUsed } = await app.post<{ heapUsed: number }>('memory');
    for (const profile of [held, dropped]) {
      const shown = profile.cumulative('inuse_space', 'holdObjects') / (HELD * SIZE);
      claim(
        `heap by ${sampler} after a window of allocs: 30 MB from before are at no stack`,
        shown,
        atMost(0),
      );
    }
    const gone = (forgottenIn(held) - forgottenIn(dropped)) / (HELD * SIZE);
    // The rest of the heap changes too: what requests and readings have left.
    claim(
      `heap by ${sampler} after a window of allocs: 30 MB were dropped of (allocated before …)`,
      gone,
      within(0.1),
    );
    const share = forgottenIn(dropped) / heapUsed;
    // The reading itself is on the heap when its use is measured.
    claim(`heap by ${sampler} after a window of allocs: (allocated before …) is in use`, share, atMost(1.1));
  });
});

describe.each(['pprof', 'inspector'])('with the option allocs: off, by %s', (sampler) => {
  afterEach(() => TestProcess.stopAll());

  it('a window of allocs is a lower bound, with all that is kept', async () => {
    const app = await start({ SAMPLER: sampler, ALLOCS: 'off' });
    await app.post('before');
    const profile = await workInWindow(app, 'allocs');
    const subject = `allocs: off, allocs?seconds by ${sampler}`;
    const { high, n } = inWindow(CHURNED);
    const churned = profile.flat('alloc_space', 'churnObjects') / (CHURNED * SIZE);
    claim(`${subject}: no more than 200 MB churned`, churned, atMost(high, n));
    const bound = sampledSize({ count: KEPT, size: SIZE, rate: RATE, sampler });
    const kept = profile.flat('alloc_space', 'keepObjects') / (KEPT * SIZE);
    claim(`${subject}: 20 MB kept`, kept, bound);
    claimNothingBefore(subject, profile, 'alloc_space');
  });
});

describe.each(['pprof', 'inspector'])('random recursion and two scrapers of allocs, by %s', (sampler) => {
  afterEach(() => TestProcess.stopAll());

  it(
    'meet the limit of stacks; then memory and holds stay the same, and no value falls',
    async () => {
      const app = await start({ SAMPLER: sampler });
      const subject = `random recursion and allocs?seconds=3 twice, by ${sampler}`;
      await app.post('recurse');
      const soak = new Soak(app);
      const scrapers = [0, 1500].map((offset) => delay(offset).then(() => soak.scrape()));
      await soak.fill();
      const early = await soak.read();
      const late = await soak.read();
      await soak.end(scrapers);
      claim(`${subject}: values that fall between two readings`, soak.falls, atMost(0));
      const unnamed = [...early, ...late].filter(({ isFull }) => !isFull).length;
      claim(`${subject}: readings beyond the limit without a comment`, unnamed, atMost(0));
      // Were dead objects or all stacks kept, each would grow with the time.
      for (const key of ['heapUsed', 'rss'] as const) {
        const ratio = least(late, key) / least(early, key);
        claim(`${subject}: the least ${key} of the second half, by that of the first`, ratio, atMost(1.3));
      }
      const ratio = medianHold(late) / medianHold(early);
      claim(`${subject}: the median hold of the second half, by that of the first`, ratio, atMost(1.5));
    },
    (SOAK_SECONDS + 120) * 1000,
  );
});

interface State {
  readonly heapUsed: number;
  readonly rss: number;
  /** The longest hold of each capture since the state before. */
  readonly holds: readonly number[];
  readonly isFull: boolean;
}

function start(env: Record<string, string>): Promise<Workload> {
  return startWorkload('allocs.mjs', { env: { MEM_RATE: `${RATE}`, OBJECTS: `${HELD}`, ...env } });
}

/** Opens a window, and tells the app to work as soon as it is open. */
async function workInWindow(app: Workload, name: string): Promise<DecodedProfile> {
  const profile = app.profile(`${name}?seconds=${SECONDS}`);
  await app.post('opened');
  await app.post('work');
  return profile;
}

function claimBytes(words: string, profile: DecodedProfile, name: string, count: number): void {
  claim(words, profile.flat('alloc_space', name) / (count * SIZE), inWindow(count));
}

function claimNothingBefore(subject: string, profile: DecodedProfile, type: string): void {
  for (const name of ['churnBefore', 'keepBefore']) {
    const bytes = profile.cumulative(type, name) / (KEPT * SIZE);
    // What of it was garbage already and is collected in a window of heap is negative.
    claim(`${subject}: nothing of ${name}`, bytes, atMost(0));
  }
}

/** Bytes that V8 has forgotten and that may be on the heap. */
function forgottenIn({ samples }: DecodedProfile): number {
  const sample = samples.find(({ stack: [leaf] }) => leaf!.startsWith('(allocated before '));
  return sample?.values.inuse_space ?? 0;
}

/** Scrapers, and one who reads `allocs` and what it costs. */
class Soak {
  /** Stacks and sizes of which less was allocated than at the reading before. */
  falls = 0;
  private isOver = false;
  private before = new Map<string, number>();

  constructor(private readonly app: Workload) {}

  /** Takes windows of three seconds, one after the other. */
  async scrape(): Promise<void> {
    while (!this.isOver) await this.app.profile('allocs?seconds=3');
  }

  /** Until there are more stacks than are counted. */
  async fill(): Promise<void> {
    while (!(await this.state()).isFull);
  }

  /** For half of the time. */
  async read(): Promise<State[]> {
    const states: State[] = [];
    const end = performance.now() + SOAK_SECONDS * 500;
    while (performance.now() < end) {
      states.push(await this.state());
      await delay(1000);
    }
    return states;
  }

  async end(scrapers: readonly Promise<void>[]): Promise<void> {
    this.isOver = true;
    await Promise.all(scrapers);
  }

  private async state(): Promise<State> {
    const profile = await this.app.profile('allocs');
    const now = allocatedAt(profile);
    for (const [key, bytes] of this.before) if ((now.get(key) ?? 0) < bytes) this.falls++;
    this.before = now;
    const memory = await this.app.post<{ heapUsed: number; rss: number }>('memory');
    const holds = await this.app.post<number[]>('holds');
    const isFull =
      now.has('(other stacks)') && profile.comments.some((text) => text.endsWith('(other stacks)'));
    return { ...memory, holds, isFull };
  }
}

/** By stack and size of objects: how many bytes, and by how many objects. */
function allocatedAt({ samples, raw }: DecodedProfile): Map<string, number> {
  const sums = new Map<string, number>();
  for (const [i, { stack, values }] of samples.entries()) {
    const sizes = raw.sample[i]!.label.map(({ num }) => `${num}`);
    const key = [...stack, ...sizes].join(' ');
    sums.set(key, (sums.get(key) ?? 0) + values.alloc_space!);
  }
  return sums;
}

function least(states: readonly State[], key: 'heapUsed' | 'rss'): number {
  return Math.min(...states.map((state) => state[key]));
}

function medianHold(states: readonly State[]): number {
  const holds = states.flatMap(({ holds }) => holds).toSorted((a, b) => a - b);
  return holds[holds.length >> 1]!;
}
