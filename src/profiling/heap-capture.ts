import { setImmediate } from 'node:timers/promises';
import { heapProfileText } from '../format/devtools.js';
import { merge, scale } from '../format/merge.js';
import type { Profile, ProfileHeader } from '../format/profile.js';
import type { HeapEpoch, HeapReading, HeapSampler, HeapSamples } from '../sampling/sampler.js';
import type { AllocationTotals } from './allocation-totals.js';
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
  /** What is alive, and memory outside of the heap. */
  readonly alive: Profile;
  /** What was alive before the epoch, and may be still. */
  readonly before: Profile;
  /** All that was allocated. */
  readonly allocated: Profile;
  readonly holds: HoldMeter;
  readonly devToolsText: () => Generator<void, string[]>;
}

const NOTHING: HeapSamples = {
  tree: { frames: [], frameOf: [], parentOf: [] },
  objects: [],
  rate: 0,
};

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
  const livePlaces = await places.resolve(live.tree.frames, holds);
  const build = (
    { tree }: HeapSamples,
    resolved: typeof livePlaces,
    stacks: Iterable<WeighedStack>,
  ): Promise<Profile> => runSliced(buildStackProfile(header, tree, resolved, stacks), holds);
  const addedPlaces = await places.resolve(added.tree.frames, holds);
  const addedProfile = await build(
    added,
    addedPlaces,
    stacksOf(added, (count, bytes) => [count, bytes, 0, 0]),
  );
  return {
    epoch: reading?.epoch,
    header,
    alive: await build(live, livePlaces, aliveStacks(live, memory, tools)),
    before: await build(NOTHING, [], stackBefore(reading, live, memory.heapUsed, places)),
    allocated: await totals.add(addedProfile, (work) => runSliced(work, holds)),
    holds,
    devToolsText: () => heapProfileText(live, livePlaces),
  };
}

/** The heap as it is: what `heap` and `allocs` show. */
export async function heapProfile(
  name: string,
  { header, alive, before, allocated, holds, devToolsText }: HeapCapture,
  defaultSampleType: string,
): Promise<CapturedProfile> {
  const merged = await runSliced(merge([alive, before, allocated]), holds);
  const profile = { ...merged, ...header, defaultSampleType };
  return new CapturedProfile(name, profile, holds, { devToolsText, trailer: memoryStatistics() });
}

/**
 * What the heap has gained since an earlier capture. Across the begin of an epoch only the new one counts: V8 has
 * forgotten what it knew before. How much of that is still there is a guess, and no difference of two of them is told.
 */
export async function heapGain(
  name: string,
  earlier: HeapCapture,
  { header, epoch, alive, allocated, holds }: HeapCapture,
): Promise<CapturedProfile> {
  holds.note(earlier.holds.longestMs);
  const lost = epoch === earlier.epoch ? [earlier.alive, earlier.allocated] : [earlier.allocated];
  const merged = await runSliced(subtracted([alive, allocated], lost), holds);
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
      ? [`a window of allocs made V8 forget what was allocated before ${before.time.toISOString()}`]
      : []),
    ...(caveat ? [caveat] : []),
  ]);
}

/** One for each place and size of objects. */
export function* stacksOf(
  { objects }: HeapSamples,
  valuesOf: (count: number, bytes: number) => readonly number[],
): Generator<WeighedStack, void> {
  for (const { node, count, bytes } of objects) {
    yield { at: node, values: valuesOf(count, bytes), labels: { bytes: Math.round(bytes / count) } };
  }
}

function* aliveStacks(
  live: HeapSamples,
  memory: NodeJS.MemoryUsage,
  tools: HeapTools,
): Generator<WeighedStack, void> {
  yield* outsideOfHeap(memory, tools);
  yield* stacksOf(live, (count, bytes) => [0, 0, count, bytes]);
}

/** Memory that objects hold outside of V8's heap: its sampler sees none of it, so it stands by itself. */
function outsideOfHeap(
  { external, arrayBuffers }: NodeJS.MemoryUsage,
  { totals, places }: HeapTools,
): WeighedStack[] {
  const outside = { '(external)': external - arrayBuffers, '(ArrayBuffers)': arrayBuffers };
  return Object.entries(outside)
    .filter(([, bytes]) => bytes > 0)
    .map(([name, bytes]) => ({ at: [places.named(name)], values: [1, totals.peak(name, bytes), 1, bytes] }));
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
