import { type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks';
import { GCProfiler, type GCProfilerResult } from 'node:v8';

/** A collection of V8's on this thread. */
export interface Collection {
  /** Of `performance.now()`. */
  readonly beginMs: number;
  readonly endMs: number;
  readonly kind: string;
  /** Heap in use, in bytes, and what V8 had taken from the system for it. */
  readonly before: number | undefined;
  readonly after: number | undefined;
  readonly size: number | undefined;
}

type Statistics = GCProfilerResult['statistics'][number];

/** What the types leave out. */
interface CollectionEntry extends PerformanceEntry {
  readonly detail: { readonly kind: number };
}

/** V8's kinds, as `perf_hooks` numbers them and as its profiler names them. */
const KINDS: ReadonlyMap<number, readonly [name: string, profilers: string]> = new Map([
  [1, ['scavenge', 'Scavenge']],
  [2, ['minor mark-sweep', 'MinorMarkSweep']],
  [4, ['mark-compact', 'MarkSweepCompact']],
  [8, ['incremental marking', 'IncrementalMarking']],
  [16, ['weak callbacks', 'ProcessWeakCallbacks']],
]);

/**
 * Tells of V8's collections: `perf_hooks` knows when each was, and V8's profiler of them what the heap was before and
 * after. Both see the same ones, in the same order.
 */
export class Collections {
  private readonly observer = new PerformanceObserver((list) => this.take(list.getEntries()));
  private profiler = new GCProfiler();

  constructor(private readonly onCollection: (collection: Collection) => void) {
    this.profiler.start();
    this.observer.observe({ entryTypes: ['gc'] });
  }

  /** Tells of those until now. */
  stop(): void {
    const rest = this.observer.takeRecords();
    this.observer.disconnect();
    this.tell(rest, this.profiler.stop()?.statistics ?? []);
  }

  private take(entries: readonly PerformanceEntry[]): void {
    const { statistics } = this.profiler.stop();
    this.profiler = new GCProfiler();
    this.profiler.start();
    this.tell(entries, statistics);
  }

  private tell(entries: readonly PerformanceEntry[], statistics: readonly Statistics[]): void {
    let next = 0;
    for (const { startTime, duration, detail } of entries as readonly CollectionEntry[]) {
      const [kind, profilers] = KINDS.get(detail.kind) ?? ['collection', ''];
      // One may come between two of V8's profilers.
      const found = statistics[next]?.gcType === profilers ? statistics[next++] : undefined;
      this.onCollection({
        beginMs: startTime,
        endMs: startTime + duration,
        kind,
        before: found?.beforeGC.heapStatistics.usedHeapSize,
        after: found?.afterGC.heapStatistics.usedHeapSize,
        size: found?.afterGC.heapStatistics.totalHeapSize,
      });
    }
  }
}
