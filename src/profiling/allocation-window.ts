import { setImmediate } from 'node:timers/promises';
import type { Profile } from '../format/profile.js';
import type { HeapMark, HeapSampler, HeapSamples } from '../sampling/sampler.js';
import { CapturedProfile } from './captured-profile.js';
import { nowNanos } from './comments.js';
import { heapHeader, type HeapTools, stacksOf } from './heap-capture.js';
import { HoldMeter } from './hold-meter.js';
import type { ProfileWindow } from './profiles/named-profile.js';
import { runSliced } from './slices.js';
import { buildStackProfile } from './stack-profile.js';

/** All that is allocated in a span of time. While one is open, V8's sampler keeps what dies. */
export class AllocationWindow implements ProfileWindow {
  private readonly timeNanos = nowNanos();
  private readonly begin: HeapMark;
  private isOpen = true;

  constructor(
    private readonly sampler: HeapSampler,
    private readonly tools: HeapTools,
  ) {
    this.begin = sampler.keepDead();
  }

  async end(): Promise<CapturedProfile> {
    const { sampler, tools, begin } = this;
    const { places, totals, profileComments } = tools;
    const holds = new HoldMeter();
    const endNanos = nowNanos();
    const reading = holds.time(() => sampler.read());
    const newlyAllocated = totals.newIn(reading);
    holds.time(() => this.close());
    await setImmediate(); // V8 has held the loop for long enough

    const isWhole = reading.epoch === begin.epoch;
    const samples = await runSliced(reading.allocatedAfter(isWhole ? begin.ordinal : 0), holds);
    const header = {
      ...heapHeader(endNanos, samples.rate, profileComments, [
        `what was allocated in the window, dead or alive, sampled every ${samples.rate} bytes; inuse_* is not told`,
        ...(isWhole ? [] : ["someone else stopped V8's heap sampler: what came before that is missing"]),
        ...(samples.caveat ? [samples.caveat] : []),
      ]),
      defaultSampleType: 'alloc_space',
      durationNanos: Number(endNanos - this.timeNanos),
    };
    const profileOf = async (allocated: HeapSamples): Promise<Profile> => {
      const resolved = await places.resolve(allocated.tree.frames, holds);
      const stacks = stacksOf(allocated, (count, bytes) => [count, bytes, 0, 0]);
      return runSliced(buildStackProfile(header, allocated.tree, resolved, stacks), holds);
    };
    const added = await profileOf(await runSliced(newlyAllocated, holds));
    await totals.add([added], (work) => runSliced(work, holds));
    return new CapturedProfile('allocs', await profileOf(samples), holds);
  }

  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.sampler.dropDead();
  }
}
