import type { Profiler } from 'node:inspector';
import { describe, expect, it } from '@jest/globals';
import { sampledSegment } from './inspector-samples.js';

/** A function with hits at two lines, three to one, and one whose line V8 does not say. */
const NODES: readonly [name: string, hits: number, lines: readonly [line: number, ticks: number][]][] = [
  [
    'work',
    8,
    [
      [5, 6],
      [6, 2],
    ],
  ],
  ['native', 2, []],
];

const frame = (functionName: string) => ({
  functionName,
  scriptId: '7',
  url: 'file:///app/main.js',
  lineNumber: 0,
  columnNumber: 0,
});

/** V8's profile from 0 to 100 µs. */
function profile(samples: readonly (readonly [node: number, micros: number])[]): Profiler.Profile {
  return {
    nodes: [
      { id: 1, callFrame: frame('(root)'), hitCount: 0, children: NODES.map((_, i) => i + 2) },
      ...NODES.map(([name, hitCount, lines], i) => ({
        id: i + 2,
        callFrame: frame(name),
        hitCount,
        positionTicks: lines.map(([line, ticks]) => ({ line, ticks })),
      })),
    ],
    startTime: 0,
    endTime: 100,
    samples: samples.map(([node]) => node),
    timeDeltas: samples.map(([, micros], i) => micros - (samples[i - 1]?.[1] ?? 0)),
  };
}

/** Our own work. */
const EXCLUDED = [[60, 65]] as const;

/** What is left of it from 10 to 90 µs. */
function segmentOf(samples: readonly (readonly [node: number, micros: number])[]) {
  const span = { askedMicros: 0, beginMicros: 10, endMicros: 90, excluded: EXCLUDED, readings: undefined };
  const steps = sampledSegment(profile(samples), span);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

const work = (micros: number) => [2, micros] as const;
const native = (micros: number) => [3, micros] as const;

describe('a segment of V8 samples', () => {
  it('has the hits of V8, by lines', () => {
    const samples = [20, 30, 40, 50, 59, 70, 80, 85].map(work);
    const { hits, nodes } = segmentOf([...samples, native(87), native(88)]);
    expect(hits).toEqual([0, 6, 2, 2]);
    expect(nodes).toHaveLength(10);
  });

  it('has no hits of what V8 sampled before it or after it, which other segments have', () => {
    const inside = [20, 30, 40, 50].map(work);
    const { hits, nodes } = segmentOf([work(5), native(8), ...inside, ...[92, 94, 96].map(work), native(98)]);
    expect(nodes).toEqual([0, 0, 0, 0]);
    expect(hits).toEqual([0, 3, 1, 0]);
  });

  it('has no more hits than V8 has counted, where it has added samples of its own', () => {
    const { hits } = segmentOf([20, 30, 40].map(native));
    expect(hits).toEqual([0, 0, 0, 2]);
  });
});
