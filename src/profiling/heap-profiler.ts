import { setImmediate } from 'node:timers/promises';
import { Inject, Injectable, Logger, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type { ResolvedPprofOptions } from '../interfaces/pprof-options.interface.js';
import { PPROF_OPTIONS, PPROF_SAMPLING } from '../pprof.constants.js';
import { collectGarbage } from '../sampling/garbage.js';
import { processState } from '../sampling/process-state.js';
import { DEFAULT_HEAP_RATE, type HeapSampler, type HeapSamples, type Sampling } from '../sampling/sampler.js';
import { heapProfileText } from '../format/devtools.js';
import type { ProfileHeader } from '../format/profile.js';
import { CapturedProfile } from './captured-profile.js';
import { comments, nowNanos } from './comments.js';
import { HoldMeter } from './hold-meter.js';
import { PlaceResolver } from './place-resolver.js';
import { runSliced } from './slices.js';
import { buildStackProfile, type WeighedStack } from './stack-profile.js';

/** How to take a heap profile. */
export interface HeapProfileOptions {
  /**
   * Collect the garbage first, so that only what is held shows. It stops the process for as long as that takes. The
   * inspector sampler does so at every reading: V8 gives it no choice.
   * @default false
   */
  readonly gc?: boolean;
}

const NOTHING: HeapSamples = {
  tree: { frames: [], frameOf: [], parentOf: [] },
  objects: [],
  rate: 0,
};

/**
 * Takes heap profiles: what is alive, by the stack that allocated it. V8 samples from the initialization of the module to
 * its destruction, at a mean of one sample every `memProfileRate` bytes.
 *
 * @publicApi
 */
@Injectable()
export class HeapProfiler implements OnModuleInit, OnModuleDestroy {
  private sampler: HeapSampler | undefined;

  constructor(
    @Inject(PPROF_SAMPLING) private readonly sampling: Sampling,
    @Inject(PPROF_OPTIONS) private readonly options: ResolvedPprofOptions,
    private readonly places: PlaceResolver,
  ) {}

  /** Not in the constructor: a boot that fails before would leave V8's sampler on. */
  onModuleInit(): void {
    const { enabled, memProfileRate } = this.options;
    if (enabled && memProfileRate > 0) this.sampler = this.join(memProfileRate);
  }

  /** What is alive now. With `memProfileRate` 0 that is external memory only. */
  async profile({ gc = false }: HeapProfileOptions = {}): Promise<CapturedProfile> {
    const holds = new HoldMeter();
    if (gc) holds.note(await collectGarbage());
    const timeNanos = nowNanos();
    const { sampler } = this;
    const samples = sampler ? await read(sampler, holds) : NOTHING;
    const outside = outsideOfHeap();
    const places = await this.places.resolve(samples.tree.frames, holds);
    const profile = await runSliced(
      buildStackProfile(this.header(timeNanos, samples), samples.tree, places, stacksOf(samples, outside)),
      holds,
    );
    return new CapturedProfile(profile, holds, () => heapProfileText(samples, places));
  }

  /** The module that leaves last stops V8's sampler. */
  onModuleDestroy(): void {
    const state = processState();
    if (!this.sampler || !state.heap) return;
    this.sampler = undefined;
    if (--state.heap.users > 0) return;
    state.heap.sampler.stop();
    state.heap = undefined;
  }

  private join(rate: number): HeapSampler {
    const state = processState();
    state.heap ??= { sampler: this.sampling.startHeap(rate), users: 0 };
    state.heap.users++;
    const { sampler } = state.heap;
    const isNobodysChoice = state.heap.preloaded && rate === DEFAULT_HEAP_RATE;
    if (sampler.rate !== rate && !isNobodysChoice) {
      new Logger(HeapProfiler.name).warn(
        `memProfileRate ${rate} has no effect: V8's one heap sampler runs at ${sampler.rate} already`,
      );
    }
    return sampler;
  }

  private header(timeNanos: bigint, { rate, caveat }: HeapSamples): ProfileHeader {
    return {
      sampleTypes: [
        { type: 'alloc_objects', unit: 'count' },
        { type: 'alloc_space', unit: 'bytes' },
        { type: 'inuse_objects', unit: 'count' },
        { type: 'inuse_space', unit: 'bytes' },
      ],
      defaultSampleType: '',
      periodType: { type: 'space', unit: 'bytes' },
      period: rate,
      timeNanos,
      durationNanos: 0,
      comments: comments(this.options.profileComments, ...this.about(rate), ...(caveat ? [caveat] : [])),
    };
  }

  private about(rate: number): string[] {
    const { sampler } = this;
    if (!sampler)
      return ['heap sampling is off: memProfileRate is 0, or the module is not enabled or not initialized'];
    return [
      `heap sampled by ${sampler.name}, every ${rate} bytes; alloc_* counts only what is still alive`,
      ...(rate === sampler.rate
        ? []
        : [
            `someone else started V8's one heap sampler, at another rate than the ${sampler.rate} of this module`,
          ]),
    ];
  }
}

async function read(sampler: HeapSampler, holds: HoldMeter): Promise<HeapSamples> {
  const samples = holds.time(() => sampler.read());
  await setImmediate(); // V8 has held the loop for long enough
  return runSliced(samples, holds);
}

function* stacksOf(
  { objects }: HeapSamples,
  outside: readonly WeighedStack[],
): Generator<WeighedStack, void> {
  yield* outside;
  for (const { node, count, bytes } of objects) {
    yield { at: node, values: [count, bytes, count, bytes], labels: { bytes: Math.round(bytes / count) } };
  }
}

/** Memory that objects hold outside of V8's heap: its sampler sees none of it, so it stands by itself. */
function outsideOfHeap(): WeighedStack[] {
  const { external, arrayBuffers } = process.memoryUsage();
  const outside = { '(external)': external - arrayBuffers, '(ArrayBuffers)': arrayBuffers };
  return Object.entries(outside)
    .filter(([, bytes]) => bytes > 0)
    .map(([name, bytes]) => ({ at: [name], values: [1, bytes, 1, bytes] }));
}
