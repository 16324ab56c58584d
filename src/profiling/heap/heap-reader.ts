import { setImmediate } from 'node:timers/promises';
import { Inject, Injectable, Logger, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { heapProfileText } from '../../format/devtools.js';
import type { Profile, ProfileHeader } from '../../format/profile.js';
import type { PlaceInCode } from '../../format/builder.js';
import { PPROF_OPTIONS, PPROF_SAMPLING, type ResolvedPprofOptions } from '../../pprof.options.js';
import { perProcess, processState } from '../../sampling/process-state.js';
import {
  DEFAULT_HEAP_RATE,
  type HeapEpoch,
  type HeapReading,
  type HeapSampler,
  type HeapSamples,
  type SampledObjects,
  type Sampling,
} from '../../sampling/sampler.js';
import { reasonOf } from '../../sampling/reason.js';
import { Captures } from '../capture.js';
import { CapturedProfile } from '../captured-profile.js';
import {
  buildStackProfile,
  FrameResolver,
  missingLines,
  NO_TREE,
  type WeighedStack,
} from '../frames/frame-resolver.js';
import { ProfilerUnavailableError } from '../errors.js';
import { HoldMeter, nowNanos, runSliced } from '../loop.js';
import { AllocationTotals, MAX_STACKS, OTHER_STACKS } from './allocation-totals.js';
import { memoryStatistics } from './memory-statistics.js';

/** What a heap profile shows. */
export interface HeapProfileKind {
  readonly name: string;
  readonly defaultSampleType: '' | 'alloc_space';
  /** Comments for this profile only. */
  readonly about: readonly string[];
  /** Whether it counts new allocations. If not, V8 holds the event loop for less time. */
  readonly counts: boolean;
  /** Which memory without a known stack to show in separate frames: all, or only memory outside the heap. */
  readonly untracked: (epoch: HeapEpoch | undefined) => 'all' | 'outside' | 'none';
}

/** A heap profile of one reading. */
export interface HeapCapture {
  /** Undefined if the heap is not sampled. */
  readonly epoch: HeapEpoch | undefined;
  readonly captured: CapturedProfile;
}

const NOTHING: HeapSamples = { tree: NO_TREE, live: [], allocated: [], caveats: [] };

/** While V8 keeps dead objects, they are counted and dropped at this interval, in ms. */
const FORGET_EVERY = 10_000;

const SAMPLE_TYPES = [
  { type: 'alloc_objects', unit: 'count' },
  { type: 'alloc_space', unit: 'bytes' },
  { type: 'inuse_objects', unit: 'count' },
  { type: 'inuse_space', unit: 'bytes' },
];

/** Values between two yields. */
const SLICE = 20_000;

/** For a reading that only counts allocations. */
const UNSEEN: HeapProfileKind = {
  name: '',
  defaultSampleType: '',
  about: [],
  counts: true,
  untracked: () => 'none',
};

/** A comment about cumulative values. */
export const LOWER_BOUND =
  'alloc_* is a lower bound: objects that were allocated and freed between two readings are missing';

/** While V8 keeps dead objects, it does not report which objects are alive. */
const NOT_TRACKED = '(in use, not tracked during a window of allocs)';

const FOREIGN =
  "another tool started V8's heap sampler, at a rate that V8 does not report: values are right, but the period may be wrong";

const CAUSES = {
  window: 'a window of allocs',
  stop: "another tool, which stopped V8's heap sampler,",
};

const OFF = 'memProfileRate is 0, or the module is disabled or not initialized';

/**
 * Reads V8's heap sampler, which runs from the module's initialization to its destruction. Each reading adds the allocations
 * since the previous one to the totals.
 */
@Injectable()
export class HeapReader implements OnModuleInit, OnModuleDestroy {
  private readonly logger = new Logger('PprofModule');
  private sampler: HeapSampler | undefined;
  /** The reason why there is no sampler. */
  private off = OFF;
  private totals: AllocationTotals | undefined;
  private windows = 0;
  private forgetting: NodeJS.Timeout | undefined;

  constructor(
    @Inject(PPROF_SAMPLING) private readonly sampling: Sampling,
    @Inject(PPROF_OPTIONS) private readonly options: ResolvedPprofOptions,
    private readonly frames: FrameResolver,
    private readonly captures: Captures,
  ) {}

  /**
   * Not in the constructor: if startup failed after it, V8's sampler would keep running.
   *
   * @throws Error if an environment variable of `nestjs-pprof/preload` is invalid
   */
  onModuleInit(): void {
    const { preloadProblem } = processState();
    if (preloadProblem) throw new Error(`PprofModule: ${preloadProblem}`);
    const { enabled, memProfileRate } = this.options;
    if (!enabled || memProfileRate === 0) return;
    try {
      this.sampler = this.join(memProfileRate);
      this.totals = totalsOf(this.sampler);
    } catch (error) {
      this.off = reasonOf(error);
    }
  }

  /** The last module to be destroyed stops V8's sampler. */
  onModuleDestroy(): void {
    while (this.windows > 0) this.dropDead();
    const state = processState();
    if (!this.sampler || !state.heap) return;
    this.sampler = undefined;
    if (--state.heap.users > 0) return;
    state.heap.sampler.stop();
    state.heap = undefined;
  }

  /** The sampler and its rate, or why nothing samples the heap. */
  get samplerInUse(): string {
    const { sampler } = this;
    return sampler ? `${sampler.name}, every ${sampler.rate} bytes` : `off (${this.off})`;
  }

  /** Whether V8 can keep dead objects: the option `allocs` must allow it, and no other tool may have started the sampler. */
  get canKeepDead(): boolean {
    return this.options.allocs === 'window' && this.sampler?.isForeign === false;
  }

  /** @throws ProfilerUnavailableError if allocations cannot be counted in this process */
  checkCounts(): void {
    const uncounted = this.sampler?.uncounted;
    if (uncounted) throw new ProfilerUnavailableError('allocs', uncounted);
  }

  /** Begins an epoch that keeps dead objects, so that all allocations are counted, until {@link dropDead}. */
  keepDead(): void {
    this.sampler!.keepDead();
    if (this.windows++ === 0) this.forgetting = setInterval(() => this.forgetDead(), FORGET_EVERY).unref();
  }

  dropDead(): void {
    if (--this.windows === 0) clearInterval(this.forgetting);
    this.sampler?.dropDead();
  }

  /** Reads live objects and allocations so far. V8 is read synchronously, before the promise is returned. */
  async read(kind: HeapProfileKind, holds: HoldMeter): Promise<HeapCapture> {
    const { sampler } = this;
    const counts = kind.counts && !sampler?.uncounted;
    const reading = sampler && holds.time(() => (counts ? sampler.read() : sampler.readLive()));
    const epoch = reading?.epoch;
    const memory = process.memoryUsage();
    const header = this.header(kind, epoch);
    const found = this.resolved(reading, holds);
    const built = found.then(({ samples, places }) => {
      const stacks = [
        ...trackedStacks(samples),
        ...untrackedStacks(kind.untracked(epoch), epoch, samples, memory),
      ];
      return runSliced(buildStackProfile(header, samples.tree, places, stacks), holds);
    });
    const sum = await (this.totals?.add(built, holds) ?? built);
    const profile = kind.counts ? sum : await runSliced(atLeastInUse(sum), holds);
    const { samples, places } = await found;
    const comments = [
      ...header.comments,
      ...samples.caveats,
      ...missingLines(samples.tree.frames, places),
      ...fullComment(profile),
    ];
    return {
      epoch,
      captured: new CapturedProfile(kind.name, { ...profile, ...header, comments }, holds, {
        devTools: {
          format: 'heapprofile',
          text: () => heapProfileText({ tree: samples.tree, objects: samples.live ?? [] }, places),
        },
        textTrailer: memoryStatistics,
      }),
    };
  }

  private async resolved(
    reading: HeapReading | undefined,
    holds: HoldMeter,
  ): Promise<{ samples: HeapSamples; places: PlaceInCode[] }> {
    if (!reading) return { samples: NOTHING, places: [] };
    await setImmediate(); // V8 has held the loop for long enough
    const samples = await runSliced(reading.samples(), holds);
    return { samples, places: await this.frames.resolve(samples.tree.frames, holds) };
  }

  private header({ defaultSampleType, about }: HeapProfileKind, epoch: HeapEpoch | undefined): ProfileHeader {
    const { sampler } = this;
    return {
      sampleTypes: SAMPLE_TYPES,
      defaultSampleType,
      periodType: { type: 'space', unit: 'bytes' },
      period: sampler?.rate ?? 0,
      timeNanos: nowNanos(),
      durationNanos: 0,
      comments: this.captures.comments([
        ...(sampler ? aboutSampler(sampler, epoch) : [`heap sampling is off: ${this.off}`]),
        ...about,
      ]),
    };
  }

  /** Counts the dead objects that V8 keeps, and lets it drop them. */
  private forgetDead(): void {
    this.read(UNSEEN, new HoldMeter()).catch((error: unknown) => this.logger.error(error)); // no caller awaits it
    this.sampler?.forgetDead();
  }

  private join(rate: number): HeapSampler {
    const state = processState();
    state.heap ??= { sampler: this.sampling.startHeap(rate), users: 0 };
    state.heap.users++;
    const { sampler, preloaded } = state.heap;
    const isChosen = !preloaded || rate !== DEFAULT_HEAP_RATE;
    if (sampler.rate !== rate && isChosen) {
      this.logger.warn(
        `memProfileRate ${rate} has no effect: V8 has one heap sampler, which already runs with rate ${sampler.rate}`,
      );
    }
    return sampler;
  }
}

/** One per process, like the sampler, shared by all copies of this package. */
function totalsOf(sampler: HeapSampler): AllocationTotals {
  const all = perProcess('allocation-totals', () => new WeakMap<HeapSampler, AllocationTotals>());
  const totals = all.get(sampler) ?? new AllocationTotals();
  all.set(sampler, totals);
  return totals;
}

function aboutSampler(
  { name, rate, isForeign, uncounted }: HeapSampler,
  epoch: HeapEpoch | undefined,
): string[] {
  const { keepsDead, before } = epoch!;
  return [
    `heap sampled by ${name}, every ${rate} bytes`,
    ...(isForeign ? [FOREIGN] : []),
    ...(uncounted ? [`allocations are not counted: ${uncounted}`] : []),
    ...(before && (!keepsDead || before.cause === 'stop')
      ? [`${CAUSES[before.cause]} made V8 forget what was allocated before ${before.time.toISOString()}`]
      : []),
  ];
}

/** Raises allocated values to the values in use, since live objects were allocated even if no reading has counted them. */
function* atLeastInUse(profile: Profile): Generator<void, Profile> {
  const values = Float64Array.from(profile.samples.values);
  for (let i = 0; i < values.length; i += SAMPLE_TYPES.length) {
    if (i % SLICE === 0) yield;
    values[i] = Math.max(values[i]!, values[i + 2]!);
    values[i + 1] = Math.max(values[i + 1]!, values[i + 3]!);
  }
  return { ...profile, samples: { ...profile.samples, values } };
}

function fullComment({ strings }: Profile): string[] {
  return strings.includes(OTHER_STACKS)
    ? [`more than ${MAX_STACKS} stacks: allocations at the others are counted as ${OTHER_STACKS}`]
    : [];
}

/** Allocated and live objects, one stack for each node and object size. */
function* trackedStacks({ allocated, live = [] }: HeapSamples): Generator<WeighedStack, void> {
  for (const objects of allocated) yield stackOf(objects, [objects.count, objects.bytes, 0, 0]);
  for (const objects of live) yield stackOf(objects, [0, 0, objects.count, objects.bytes]);
}

function stackOf({ node, count, bytes }: SampledObjects, values: readonly number[]): WeighedStack {
  return { at: node, values, labels: { bytes: sizeClass(bytes / count) } };
}

/** Rounds to eight sizes per power of two, to limit the number of counters. Go's allocator has size classes too. */
function sizeClass(bytes: number): number {
  const step = Math.max(2 ** (Math.floor(Math.log2(bytes)) - 3), 1);
  return Math.round(bytes / step) * step;
}

/** Memory without a known stack. */
function untrackedStacks(
  wanted: ReturnType<HeapProfileKind['untracked']>,
  epoch: HeapEpoch | undefined,
  samples: HeapSamples,
  { heapUsed, external, arrayBuffers }: NodeJS.MemoryUsage,
): WeighedStack[] {
  const frames = {
    ...(wanted !== 'none' && { '(external)': external - arrayBuffers, '(ArrayBuffers)': arrayBuffers }),
    ...(wanted === 'all' && epoch && bytesBefore(epoch, samples, heapUsed)),
  };
  return Object.entries(frames)
    .filter(([, bytes]) => bytes > 0)
    .map(([name, bytes]) => ({ at: [name], values: [0, 0, 1, bytes] }));
}

/** An upper bound for objects that V8 has forgotten and that are still on the heap. */
function bytesBefore(
  { keepsDead, before }: HeapEpoch,
  { live = [] }: HeapSamples,
  heapUsed: number,
): Record<string, number> {
  if (!before) return {};
  if (keepsDead) return { [NOT_TRACKED]: heapUsed };
  const tracked = live.reduce((sum, { bytes }) => sum + bytes, 0);
  const bytes = Math.min(before.heapUsed, heapUsed - tracked);
  return { [`(allocated before ${before.time.toISOString()})`]: bytes };
}
