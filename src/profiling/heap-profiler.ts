import { Inject, Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import type { ResolvedPprofOptions } from '../interfaces/pprof-options.interface.js';
import { PPROF_OPTIONS, PPROF_SAMPLING } from '../pprof.constants.js';
import { collectGarbage } from '../sampling/garbage.js';
import { processState } from '../sampling/process-state.js';
import { DEFAULT_HEAP_RATE, type HeapSampler, type Sampling } from '../sampling/sampler.js';
import { AllocationTotals } from './allocation-totals.js';
import { AllocationWindow } from './allocation-window.js';
import type { CapturedProfile } from './captured-profile.js';
import { captureHeap, heapGain, heapProfile, type HeapTools } from './heap-capture.js';
import { HoldMeter } from './hold-meter.js';
import { PlaceResolver } from './place-resolver.js';
import type { ProfileWindow } from './profiles/named-profile.js';

/** How to take a heap profile. */
export interface HeapProfileOptions {
  /**
   * Collect the garbage first, so that only what is held shows. It stops the process for as long as that takes. The
   * inspector sampler does so at every reading: V8 gives it no choice.
   * @default false
   */
  readonly gc?: boolean;
}

/**
 * Takes heap profiles: what is alive, by the stack that allocated it. V8 samples from the creation of the module to
 * its destruction, at a mean of one sample every `memProfileRate` bytes.
 *
 * @publicApi
 */
@Injectable()
export class HeapProfiler implements OnModuleDestroy {
  private sampler: HeapSampler | undefined;
  private readonly totals = new AllocationTotals();

  constructor(
    @Inject(PPROF_SAMPLING) private readonly sampling: Sampling,
    @Inject(PPROF_OPTIONS) private readonly options: ResolvedPprofOptions,
    private readonly places: PlaceResolver,
  ) {
    const { enabled, memProfileRate } = options;
    if (enabled && memProfileRate > 0) this.sampler = this.join(memProfileRate);
  }

  /** What is alive now. With `memProfileRate` 0 that is external memory only. */
  profile({ gc = false }: HeapProfileOptions = {}): Promise<CapturedProfile> {
    return this.read('heap', '', gc);
  }

  /** The same with what was allocated first: a lower bound that never falls, since V8 forgets what dies between two readings. */
  allocations(): Promise<CapturedProfile> {
    return this.read('allocs', 'alloc_space', false);
  }

  /** Begins a window of what is alive: at its end, what there is more of. */
  async openWindow(): Promise<ProfileWindow> {
    const { tools } = this;
    const before = await captureHeap(tools, new HoldMeter());
    return {
      end: async () => heapGain('heap', tools.places, before, await captureHeap(tools, new HoldMeter())),
      close() {},
    };
  }

  /** The option `allocs` is on, and the heap is sampled, by a sampler that nobody else has started. */
  get hasAllocationWindows(): boolean {
    return this.sampler?.canKeepDead === true && this.options.allocs !== 'off';
  }

  /**
   * Begins a window of all that is allocated, dead or alive at its end. V8's one heap sampler forgets what was alive before
   * it.
   *
   * @returns undefined where there is none: {@link hasAllocationWindows}
   */
  openAllocationWindow(): ProfileWindow | undefined {
    return this.hasAllocationWindows ? new AllocationWindow(this.sampler!, this.tools) : undefined;
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

  private get tools(): HeapTools {
    const { sampler, places, totals } = this;
    return { sampler, places, totals, profileComments: this.options.profileComments };
  }

  private async read(name: string, defaultSampleType: string, gc: boolean): Promise<CapturedProfile> {
    const holds = new HoldMeter();
    if (gc) holds.note(await collectGarbage());
    return heapProfile(name, await captureHeap(this.tools, holds), defaultSampleType);
  }
}
