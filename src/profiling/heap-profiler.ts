import { Inject, Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import type { ResolvedPprofOptions } from '../interfaces/pprof-options.interface.js';
import { PPROF_OPTIONS, PPROF_SAMPLING } from '../pprof.constants.js';
import { collectGarbage } from '../sampling/garbage.js';
import { processState } from '../sampling/process-state.js';
import type { HeapSampler, HeapSamples, Sampling } from '../sampling/sampler.js';
import { CapturedProfile } from './captured-profile.js';
import { comments, nowNanos } from './comments.js';
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
};

/**
 * Takes heap profiles: what is alive, by the stack that allocated it. V8 samples from the creation of the module to
 * its destruction, at a mean of one sample every `memProfileRate` bytes.
 *
 * @publicApi
 */
@Injectable()
export class HeapProfiler implements OnModuleDestroy {
  private sampler: HeapSampler | undefined;

  constructor(
    @Inject(PPROF_SAMPLING) private readonly sampling: Sampling,
    @Inject(PPROF_OPTIONS) { enabled, memProfileRate }: ResolvedPprofOptions,
  ) {
    if (enabled && memProfileRate > 0) this.sampler = this.join(memProfileRate);
  }

  /** What is alive now. With `memProfileRate` 0 that is external memory only. */
  async profile({ gc = false }: HeapProfileOptions = {}): Promise<CapturedProfile> {
    if (gc) await collectGarbage();
    const timeNanos = nowNanos();
    const samples = this.sampler?.read() ?? NOTHING;
    const outside = outsideOfHeap();
    return new CapturedProfile(await runSliced(this.build(timeNanos, samples, outside)));
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
    if (sampler.rate !== rate) {
      new Logger(HeapProfiler.name).warn(
        `memProfileRate ${rate} has no effect: V8's one heap sampler runs at ${sampler.rate} already`,
      );
    }
    return sampler;
  }

  private build(timeNanos: bigint, samples: HeapSamples, outside: readonly WeighedStack[]) {
    const rate = this.sampler?.rate ?? 0;
    return buildStackProfile(
      {
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
        comments: comments(
          this.sampler
            ? `heap sampled by ${this.sampler.name}, every ${rate} bytes; alloc_* counts only what is still alive`
            : 'heap sampling is off: memProfileRate is 0, or the module is not enabled',
          ...(samples.caveat ? [samples.caveat] : []),
        ),
      },
      samples.tree,
      [...liveStacks(samples), ...outside],
    );
  }
}

function* liveStacks({ objects }: HeapSamples): Generator<WeighedStack> {
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
    .map(([at, bytes]) => ({ at, values: [1, bytes, 1, bytes] }));
}
