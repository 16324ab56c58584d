import { constants, PerformanceObserver } from 'node:perf_hooks';
import { setImmediate } from 'node:timers/promises';
import { GCProfiler, type GCProfilerResult } from 'node:v8';
import { nanosOfMillis } from './trace-clock.js';

/** A garbage collection. */
export interface Collection {
  /** In nanoseconds of `performance.now()`, like {@link end}. */
  readonly begin: number;
  readonly end: number;
  readonly kind: string;
  /** Used bytes of V8's heap before and after; undefined if unknown. */
  readonly before: number | undefined;
  readonly after: number | undefined;
}

/** Node's report of a collection's time. */
export interface CollectionTimes {
  /** In ms. */
  readonly startTime: number;
  readonly duration: number;
  readonly detail: { readonly kind: number };
}

/** A collection as Node's GCProfiler reports it: with heap sizes, but without its time. */
export type CollectionSizes = GCProfilerResult['statistics'][number];

/** V8's kinds of collections (`v8::GCType`), with the name in Node's GCProfiler and a description. */
const KINDS: Readonly<Record<number, { readonly gcType: string; readonly kind: string }>> = {
  [constants.NODE_PERFORMANCE_GC_MINOR]: { gcType: 'Scavenge', kind: 'scavenge' },
  2: { gcType: 'Unknown', kind: 'minor mark-sweep' }, // Node 20 has no constant for it
  [constants.NODE_PERFORMANCE_GC_MAJOR]: { gcType: 'MarkSweepCompact', kind: 'mark-compact' },
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL]: { gcType: 'IncrementalMarking', kind: 'incremental marking' },
  [constants.NODE_PERFORMANCE_GC_WEAKCB]: { gcType: 'ProcessWeakCallbacks', kind: 'weak callbacks' },
};

/**
 * Observes garbage collections on this thread, from its creation until {@link stop}.
 *
 * Node reports their times (`PerformanceObserver`) and heap sizes (`v8.GCProfiler`) separately. Both report all collections, so
 * those between two times are the same ones in the same order.
 */
export class CollectionWatch {
  private readonly observer = new PerformanceObserver((list) => this.add(list.getEntries()));
  private times: CollectionTimes[] = [];
  private profiler = startedProfiler();

  constructor() {
    this.observer.observe({ entryTypes: ['gc'] });
  }

  /** The collections that have ended since the last call. Call it regularly, since Node keeps 4 kB for each. */
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
    this.times.push(...(entries as CollectionTimes[])); // `detail` is missing in Node's types
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
 * Joins times and sizes of collections. Sizes are omitted if they are not of the same collections.
 *
 * @param times times in order
 * @param sizes sizes in order
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
