import { setImmediate } from 'node:timers/promises';
import { heapProfileText } from '../format/devtools.js';
import { merge, scale } from '../format/merge.js';
import type { Profile, ProfileHeader } from '../format/profile.js';
import type { HeapEpoch, HeapReading, HeapSampler, HeapSamples } from '../sampling/sampler.js';
import { allocatedIn, type AllocationTotals } from './allocation-totals.js';
import { CapturedProfile } from './captured-profile.js';
import { comments, nowNanos } from './comments.js';
import { HoldMeter } from './hold-meter.js';
import { memoryStatistics } from './memory-statistics.js';
import type { PlaceResolver } from './place-resolver.js';
import { runSliced } from './slices.js';
import { buildStackProfile, type WeighedStack } from './stack-profile.js';

/** What reads the heap, and what a profile of it is made with. */
export interface HeapTools {
  readonly sampler: HeapSampler | undefined;
  readonly places: PlaceResolver;
  readonly totals: AllocationTotals;
  readonly profileComments: readonly string[];
}

/** The heap at one time. */
export interface HeapCapture {
  readonly epoch: HeapEpoch | undefined;
  readonly header: ProfileHeader;
  /** What is alive, memory outside of the heap, and all that was allocated. */
  readonly known: Profile;
  /** What was alive before the epoch, and may be still. */
  readonly before: Profile;
  readonly outside: OutsideOfHeap;
  readonly holds: HoldMeter;
  readonly devToolsText: () => Generator<void, string[]>;
}

const FORGOTTEN_BY = {
  window: 'a window of allocs',
  stop: "someone else, who stopped V8's one heap sampler,",
};

const NOTHING: HeapSamples = {
  tree: { frames: [], frameOf: [], parentOf: [] },
  objects: [],
  rate: 0,
};

/** Bytes by the name of their frame. */
type OutsideOfHeap = Readonly<Record<string, number>>;

/** Reads the heap. */
export async function captureHeap(tools: HeapTools, holds: HoldMeter): Promise<HeapCapture> {
  const { sampler, places, totals } = tools;
  const timeNanos = nowNanos();
  const reading = sampler && holds.time(() => sampler.read());
  const newlyAllocated = reading && totals.newIn(reading);
  const memory = process.memoryUsage();
  if (reading) await setImmediate(); // V8 has held the loop for long enough

  const live = reading?.live ? await runSliced(reading.live(), holds) : NOTHING;
  const added = newlyAllocated ? await runSliced(newlyAllocated, holds) : NOTHING;
  const header = headerOf(tools, timeNanos, live, reading);
  const outside = outsideOfHeap(memory);
  const before = stackBefore(reading, live, memory.heapUsed, places);
  const livePlaces = await places.resolve(live.tree.frames, holds);
  const alive = await runSliced(
    buildStackProfile(header, live.tree, livePlaces, aliveStacks(live, outside, places)),
    holds,
  );
  const addedPlaces = await places.resolve(added.tree.frames, holds);
  const allocated = await runSliced(
    buildStackProfile(
      header,
      added.tree,
      addedPlaces,
      stacksOf(added, (count, bytes) => [count, bytes, 0, 0]),
    ),
    holds,
  );
  return {
    epoch: reading?.epoch,
    header,
    known: await totals.add([allocated, alive], (work) => runSliced(work, holds)),
    before: await profileOfNamed(header, before, holds),
    outside,
    holds,
    devToolsText: () => heapProfileText(live, livePlaces),
  };
}

/** Of places that stand for no code. */
function profileOfNamed(
  header: ProfileHeader,
  stacks: readonly WeighedStack[],
  holds: HoldMeter,
): Promise<Profile> {
  return runSliced(buildStackProfile(header, NOTHING.tree, [], stacks), holds);
}

/** The heap as it is: what `heap` and `allocs` show. */
export async function heapProfile(
  name: string,
  { header, known, before, holds, devToolsText }: HeapCapture,
  defaultSampleType: string,
): Promise<CapturedProfile> {
  const merged = before.samples.length === 0 ? known : await runSliced(merge([known, before]), holds);
  const profile = { ...merged, ...header, defaultSampleType };
  return new CapturedProfile(name, profile, holds, { devToolsText, trailer: memoryStatistics() });
}

/**
 * What the heap has gained since an earlier capture. Across the begin of an epoch only the new one counts: V8 has
 * forgotten what it knew before. How much of that is still there is a guess, and no difference of two of them is told.
 */
export async function heapGain(
  name: string,
  places: PlaceResolver,
  earlier: HeapCapture,
  { header, epoch, known, outside, holds }: HeapCapture,
): Promise<CapturedProfile> {
  holds.note(earlier.holds.longestMs);
  const lost =
    epoch === earlier.epoch
      ? [earlier.known]
      : [
          await runSliced(allocatedIn(earlier.known), holds),
          await profileOfNamed(header, stacksOutside(leastOf(earlier.outside, outside), places), holds),
        ];
  const merged = await runSliced(subtracted([known], lost), holds);
  const durationNanos = Number(header.timeNanos - earlier.header.timeNanos);
  return new CapturedProfile(name, { ...merged, ...header, durationNanos }, holds);
}

function* subtracted(gained: readonly Profile[], lost: readonly Profile[]): Generator<void, Profile> {
  const negative: Profile[] = [];
  for (const profile of lost) negative.push(yield* scale(profile, -1));
  return yield* merge([...gained, ...negative]);
}

const SAMPLE_TYPES = [
  { type: 'alloc_objects', unit: 'count' },
  { type: 'alloc_space', unit: 'bytes' },
  { type: 'inuse_objects', unit: 'count' },
  { type: 'inuse_space', unit: 'bytes' },
];

/** @param about what is true of this profile alone */
export function heapHeader(
  timeNanos: bigint,
  rate: number,
  profileComments: readonly string[],
  about: readonly string[],
): ProfileHeader {
  return {
    sampleTypes: SAMPLE_TYPES,
    defaultSampleType: '',
    periodType: { type: 'space', unit: 'bytes' },
    period: rate,
    timeNanos,
    durationNanos: 0,
    comments: comments(profileComments, ...about),
  };
}

function headerOf(
  { sampler, profileComments }: HeapTools,
  timeNanos: bigint,
  { rate, caveat }: HeapSamples,
  reading: HeapReading | undefined,
): ProfileHeader {
  if (!sampler || !reading) {
    const off = 'heap sampling is off: memProfileRate is 0, or the module is not enabled';
    return heapHeader(timeNanos, 0, profileComments, [off]);
  }
  const { before, keepsDead } = reading.epoch;
  const told = keepsDead ? sampler.rate : rate;
  return heapHeader(timeNanos, told, profileComments, [
    `heap sampled by ${sampler.name}, every ${told} bytes`,
    'alloc_* is a lower bound: of what was allocated between two readings, V8 forgets what has died',
    ...(told === sampler.rate
      ? []
      : [
          `someone else started V8's one heap sampler, at another rate than the ${sampler.rate} of this module`,
        ]),
    ...(keepsDead ? ['what is alive is not told while a window of allocs is open'] : []),
    ...(before
      ? [
          `${FORGOTTEN_BY[before.cause]} made V8 forget what was allocated before ${before.time.toISOString()}`,
        ]
      : []),
    ...(caveat ? [caveat] : []),
  ]);
}

/** One for each place and size of objects. */
export function* stacksOf(
  { objects }: HeapSamples,
  valuesOf: (count: number, bytes: number) => readonly number[],
): Generator<WeighedStack, void> {
  const sums = new Map<string, { at: number; size: number; count: number; bytes: number }>();
  for (const { node, count, bytes } of objects) {
    const size = sizeClass(bytes / count);
    const key = `${node}/${size}`;
    const sum = sums.get(key) ?? { at: node, size, count: 0, bytes: 0 };
    sum.count += count;
    sum.bytes += bytes;
    sums.set(key, sum);
  }
  for (const { at, size, count, bytes } of sums.values()) {
    yield { at, values: valuesOf(count, bytes), labels: { bytes: size } };
  }
}

/**
 * Sizes are told to within 3 %: what was allocated is kept by stack and size for ever, and there is no end of sizes. Go's
 * allocator has classes of its own.
 */
function sizeClass(bytes: number): number {
  const step = 2 ** (Math.floor(Math.log2(bytes)) - 4);
  return Math.round(Math.round(bytes / step) * step);
}

function* aliveStacks(
  live: HeapSamples,
  outside: OutsideOfHeap,
  places: PlaceResolver,
): Generator<WeighedStack, void> {
  yield* stacksOutside(outside, places);
  yield* stacksOf(live, (count, bytes) => [0, 0, count, bytes]);
}

/** Memory that objects hold outside of V8's heap: its sampler sees none of it, so it stands by itself. */
function outsideOfHeap({ external, arrayBuffers }: NodeJS.MemoryUsage): OutsideOfHeap {
  return { '(external)': external - arrayBuffers, '(ArrayBuffers)': arrayBuffers };
}

function stacksOutside(outside: OutsideOfHeap, places: PlaceResolver): WeighedStack[] {
  return Object.entries(outside)
    .filter(([, bytes]) => bytes > 0)
    .map(([name, bytes]) => ({ at: [places.named(name)], values: [0, 0, 1, bytes] }));
}

/** What was there both times. */
function leastOf(a: OutsideOfHeap, b: OutsideOfHeap): OutsideOfHeap {
  return Object.fromEntries(Object.entries(a).map(([name, bytes]) => [name, Math.min(bytes, b[name]!)]));
}

/** What is on the heap and not tracked, since V8 has forgotten it: never more than there was when it forgot. */
function stackBefore(
  reading: HeapReading | undefined,
  { objects }: HeapSamples,
  heapUsed: number,
  places: PlaceResolver,
): WeighedStack[] {
  const before = reading?.epoch.before;
  if (!before) return [];
  const tracked = objects.reduce((sum, { bytes }) => sum + bytes, 0);
  const bytes = Math.max(Math.min(before.heapUsed, heapUsed - tracked), 0);
  return [
    {
      at: [places.named(`(allocated before ${before.time.toISOString()})`)],
      values: [0, 0, bytes > 0 ? 1 : 0, bytes],
    },
  ];
}
