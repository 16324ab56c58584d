import { constants, PerformanceObserver } from 'node:perf_hooks';
import { setImmediate } from 'node:timers/promises';
import { GCProfiler, type GCProfilerResult } from 'node:v8';
import { nanosOfMillis } from './trace-clock.js';

/** A collection of garbage. */
export interface Collection {
  /** In nanoseconds of `performance.now()`, as {@link end}. */
  readonly begin: number;
  readonly end: number;
  readonly kind: string;
  /** Bytes of V8's heap in use, before and after; undefined where they are not known. */
  readonly before: number | undefined;
  readonly after: number | undefined;
}

/** What Node reports of a collection after it: when it was. */
export interface CollectionTimes {
  /** In ms. */
  readonly startTime: number;
  readonly duration: number;
  readonly detail: { readonly kind: number };
}

/** What Node's profiler of collections keeps of one: sizes of the heap, and no time. */
export type CollectionSizes = GCProfilerResult['statistics'][number];

/** What V8 calls a kind (`v8::GCType`), how Node's profiler names it, and what it is. */
const KINDS: Readonly<Record<number, { readonly gcType: string; readonly kind: string }>> = {
  [constants.NODE_PERFORMANCE_GC_MINOR]: { gcType: 'Scavenge', kind: 'scavenge' },
  2: { gcType: 'Unknown', kind: 'minor mark-sweep' }, // Node 20 has no constant of it
  [constants.NODE_PERFORMANCE_GC_MAJOR]: { gcType: 'MarkSweepCompact', kind: 'mark-compact' },
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL]: { gcType: 'IncrementalMarking', kind: 'incremental marking' },
  [constants.NODE_PERFORMANCE_GC_WEAKCB]: { gcType: 'ProcessWeakCallbacks', kind: 'weak callbacks' },
};

/**
 * V8's collections of garbage on this thread, from its creation until {@link stop}.
 *
 * Node has their times (`PerformanceObserver`) and sizes of the heap (`v8.GCProfiler`) apart. Both miss none, so those between two
 * moments are the same ones in the same order.
 */
export class CollectionWatch {
  private readonly observer = new PerformanceObserver((list) => this.add(list.getEntries()));
  private times: CollectionTimes[] = [];
  private profiler = startedProfiler();

  constructor() {
    this.observer.observe({ entryTypes: ['gc'] });
  }

  /** Those that have ended since it was asked before. To be asked again and again: Node keeps 4 kB for each. */
  take(): Promise<Collection[]> {
    const { profiler } = this;
    this.profiler = startedProfiler();
    return this.collected(profiler);
  }

  /** The rest. */
  async stop(): Promise<Collection[]> {
    const collections = await this.collected(this.profiler);
    this.observer.disconnect();
    return collections;
  }

  private add(entries: readonly object[]): void {
    this.times.push(...(entries as CollectionTimes[])); // Node's types lack `detail`
  }

  /** Node reports the times of collections in the next turn of the loop. */
  private async collected(profiler: GCProfiler): Promise<Collection[]> {
    const until = performance.now();
    const { statistics } = profiler.stop();
    await setImmediate();
    this.add(this.observer.takeRecords());
    const times = this.times.filter(({ startTime }) => startTime < until);
    this.times = this.times.filter(({ startTime }) => startTime >= until);
    return collectionsOf(times, statistics);
  }
}

/**
 * Collections between two moments, with their sizes if these are of the same collections.
 *
 * @param times in their order
 * @param sizes in their order
 */
export function collectionsOf(
  times: readonly CollectionTimes[],
  sizes: readonly CollectionSizes[],
): Collection[] {
  const areSame =
    times.length === sizes.length && times.every((one, i) => kindOf(one)?.gcType === sizes[i]!.gcType);
  return times.map((one, i) => ({
    begin: nanosOfMillis(one.startTime),
    end: nanosOfMillis(one.startTime + one.duration),
    kind: kindOf(one)?.kind ?? 'collection',
    before: areSame ? sizes[i]!.beforeGC.heapStatistics.usedHeapSize : undefined,
    after: areSame ? sizes[i]!.afterGC.heapStatistics.usedHeapSize : undefined,
  }));
}

function kindOf({ detail }: CollectionTimes): (typeof KINDS)[number] | undefined {
  return KINDS[detail.kind];
}

function startedProfiler(): GCProfiler {
  const profiler = new GCProfiler();
  profiler.start();
  return profiler;
}
