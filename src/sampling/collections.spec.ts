import { PerformanceObserver } from 'node:perf_hooks';
import { GCProfiler } from 'node:v8';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { type CollectionSizes, collectionsOf, CollectionWatch } from './collections.js';

const SCAVENGE = 1;
const MARK_COMPACT = 4;

const times = (startTime: number, duration: number, kind: number) => ({
  startTime,
  duration,
  detail: { kind },
});

const sizes = (gcType: string, before: number, after: number): CollectionSizes =>
  ({
    gcType,
    cost: 1000,
    beforeGC: { heapStatistics: { usedHeapSize: before } },
    afterGC: { heapStatistics: { usedHeapSize: after } },
  }) as CollectionSizes;

describe('collectionsOf', () => {
  it('joins times and sizes of the same collections', () => {
    const joined = collectionsOf(
      [times(1.5, 0.25, SCAVENGE), times(2, 1, MARK_COMPACT)],
      [sizes('Scavenge', 30, 20), sizes('MarkSweepCompact', 25, 10)],
    );
    expect(joined).toEqual([
      { begin: 1_500_000, end: 1_750_000, kind: 'scavenge', before: 30, after: 20 },
      { begin: 2_000_000, end: 3_000_000, kind: 'mark-compact', before: 25, after: 10 },
    ]);
  });

  it.each([
    ['are fewer', [sizes('Scavenge', 30, 20)]],
    ['are more', ['Scavenge', 'Scavenge', 'Scavenge'].map((type) => sizes(type, 30, 20))],
    ['are of other kinds', [sizes('MarkSweepCompact', 30, 20), sizes('Scavenge', 30, 20)]],
  ])('leaves sizes out that %s than the times', (_, of) => {
    const joined = collectionsOf([times(1, 1, SCAVENGE), times(2, 1, SCAVENGE)], of);
    expect(joined.map(({ before, after }) => [before, after])).toEqual([
      [undefined, undefined],
      [undefined, undefined],
    ]);
    expect(joined.map(({ begin }) => begin)).toEqual([1e6, 2e6]);
  });

  it.each([
    [1, 'Scavenge', 'scavenge'],
    [2, 'Unknown', 'minor mark-sweep'],
    [4, 'MarkSweepCompact', 'mark-compact'],
    [8, 'IncrementalMarking', 'incremental marking'],
    [16, 'ProcessWeakCallbacks', 'weak callbacks'],
  ])('calls kind %d of V8, which is %s in sizes, %s', (flag, gcType, kind) => {
    expect(collectionsOf([times(1, 1, flag)], [sizes(gcType, 2, 1)])).toMatchObject([{ kind, before: 2 }]);
  });

  it('has a collection of a kind that is not known', () => {
    expect(collectionsOf([times(1, 1, 64)], [sizes('Unknown', 2, 1)])).toMatchObject([
      { kind: 'collection' },
    ]);
  });
});

describe('CollectionWatch', () => {
  afterEach(() => void jest.restoreAllMocks());

  it('has the collections until it is asked, with their sizes, and later ones when it is asked again', async () => {
    jest.spyOn(performance, 'now').mockReturnValueOnce(100).mockReturnValueOnce(200);
    jest
      .spyOn(PerformanceObserver.prototype, 'takeRecords')
      .mockReturnValueOnce([times(10, 1, SCAVENGE), times(150, 1, SCAVENGE)] as never)
      .mockReturnValueOnce([times(160, 1, SCAVENGE)] as never);
    const statistics = [[sizes('Scavenge', 5, 2)], [sizes('Scavenge', 6, 3), sizes('Scavenge', 7, 4)]];
    jest
      .spyOn(GCProfiler.prototype, 'stop')
      .mockReturnValueOnce({ statistics: statistics[0] } as never)
      .mockReturnValueOnce({ statistics: statistics[1] } as never);
    const watch = new CollectionWatch();
    expect(await watch.take()).toMatchObject([{ begin: 10e6, before: 5, after: 2 }]);
    expect(await watch.stop()).toMatchObject([
      { begin: 150e6, before: 6, after: 3 },
      { begin: 160e6, before: 7, after: 4 },
    ]);
  });

  it('ends its observer and its profiler', async () => {
    const ends = [
      jest.spyOn(PerformanceObserver.prototype, 'disconnect'),
      jest.spyOn(GCProfiler.prototype, 'stop'),
    ];
    const watch = new CollectionWatch();
    await watch.take();
    await watch.stop();
    expect(ends.map(({ mock }) => mock.calls.length)).toEqual([1, 2]);
  });
});
