import { heapSamplesOf, type SamplingHeapProfile } from './inspector-heap-samples.js';
import { InspectorSession } from './inspector-session.js';
import type { HeapSampler, HeapSamples, Sliced } from './sampler.js';

/**
 * V8's frame limit of a heap sample. Node 26 takes a deeper one and aborts the process when such a profile is
 * read (its JSON nests too deep); older versions have this one and no other.
 */
export const HEAP_STACK_DEPTH = 128;

/** The heap sampled by the inspector, in a session that stays open as long. */
export class InspectorHeapSampler implements HeapSampler {
  readonly name = 'inspector';
  private readonly session = new InspectorSession();

  /** @param leaves whether the sampler is someone else's, who wants it to run on when this one is stopped */
  constructor(
    readonly rate: number,
    private readonly leaves = isSampling(),
  ) {
    this.ensureStarted();
  }

  read(): Sliced<HeapSamples> {
    this.ensureStarted();
    const { profile } = this.session.post<{ profile: SamplingHeapProfile }>(
      'HeapProfiler.getSamplingProfile',
    );
    return heapSamplesOf(profile, this.rate);
  }

  /**
   * Makes sure that V8 samples: someone else may have stopped its one sampler, and to read it then fails, or
   * crashes a native reader. A few microseconds, and nothing happens, where it runs.
   */
  ensureStarted(): void {
    this.session.post('HeapProfiler.startSampling', {
      samplingInterval: this.rate,
      stackDepth: HEAP_STACK_DEPTH,
    });
  }

  stop(): void {
    if (this.leaves) return;
    this.session.close(); // which stops V8's sampler; the command for it fails where someone else has stopped it
  }
}

/**
 * Whether V8 samples already: `--heap-prof` does, and writes its file at the end. V8 tells by the whole profile only, which
 * is small when a process starts.
 */
export function isSampling(): boolean {
  const session = new InspectorSession();
  try {
    session.post('HeapProfiler.getSamplingProfile');
    return true;
  } catch {
    return false;
  } finally {
    session.close();
  }
}
