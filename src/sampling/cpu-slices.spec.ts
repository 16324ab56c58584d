import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { CpuReadings } from './cpu-readings.js';
import { type SharedTime, shareCpuTime, type TimedSamples } from './cpu-slices.js';
import type { Sliced } from './sampler.js';

fc.configureGlobal({ seed: 1 }); // the same cases in every run

const MS = 1e6;

/** Nodes of the samples below. */
const IDLE = 0;
const A = 1;
const B = 2;
const NODES = 3;

/** In ms, as are the samples'. */
const readings = (...pairs: [at: number, cpu: number][]): CpuReadings => ({
  micros: pairs.map(([at]) => at * 1000),
  cpuNanos: pairs.map(([, cpu]) => cpu * MS),
});

const samples = (...pairs: [at: number, node: number][]): TimedSamples => ({
  micros: pairs.map(([at]) => at * 1000),
  nodes: pairs.map(([, node]) => node),
  isBusy: (node) => node !== IDLE,
});

function done<T>(work: Sliced<T>): T {
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
  }
}

/** In ms: of A, of B, and of nobody. */
function shares(of: CpuReadings, among: TimedSamples): number[] {
  const { nanos, unsampledNanos }: SharedTime = done(shareCpuTime(of, among, NODES));
  expect(nanos).toHaveLength(NODES);
  expect(nanos[IDLE]).toBe(0);
  return [nanos[A]!, nanos[B]!, unsampledNanos].map((one) => Math.round(one / 1000) / 1000);
}

describe('shareCpuTime', () => {
  it('shares what the clock went on among the samples of that time', () => {
    const of = readings([0, 100], [10, 108]);
    expect(shares(of, samples([1, A], [3, A], [5, A], [7, B]))).toEqual([6, 2, 0]);
  });

  it('assigns nothing to idle samples, and the time of busy ones to no other slice', () => {
    const of = readings([0, 0], [10, 10], [20, 11], [30, 21]);
    const busyA = [1, 3, 5, 7, 9].map((at): [number, number] => [at, A]);
    const busyB = [21, 23, 25, 27, 29].map((at): [number, number] => [at, B]);
    // The second slice waits for samples, and the third has them.
    expect(shares(of, samples(...busyA, [15, IDLE], ...busyB))).toEqual([10, 11, 0]);
  });

  it('makes a late reading a separate slice, so that the task that delayed it counts for no other sample', () => {
    // A burns 20 ms, B blocks for a second with 2 ms of CPU time, A burns again.
    const of = readings([0, 0], [10, 10], [20, 20], [1020, 22], [1030, 32], [1040, 42]);
    const blocked = Array.from({ length: 100 }, (_, i): [number, number] => [21 + 10 * i, B]);
    expect(shares(of, samples([5, A], [15, A], ...blocked, [1025, A], [1035, A]))).toEqual([40, 2, 0]);
  });

  it('makes a late reading with few samples a separate slice, too', () => {
    const of = readings([0, 0], [10, 9], [50, 10], [60, 20]);
    expect(shares(of, samples([5, A], [30, B], [55, A]))).toEqual([19, 1, 0]);
  });

  it('assigns the time of a slice without samples to no sample', () => {
    const of = readings([0, 0], [10, 3], [2000, 8]);
    expect(shares(of, samples())).toEqual([0, 0, 8]);
    expect(shares(of, samples([5, IDLE], [1000, IDLE]))).toEqual([0, 0, 8]);
  });

  it('a slice that is nearly idle ends after a second', () => {
    const of = readings(...Array.from({ length: 301 }, (_, i): [number, number] => [i * 10, i]));
    // One sample of A in the first second, of B in the third.
    expect(shares(of, samples([500, A], [2500, B]))).toEqual([100, 100, 100]);
  });

  it('what was sampled after the last reading counts for nothing', () => {
    const of = readings([10, 0], [20, 10]);
    expect(shares(of, samples([15, A], [21, B], [22, B]))).toEqual([10, 0, 0]);
  });

  it.each([
    ['no reading', readings()],
    ['one reading', readings([0, 5])],
  ])('of %s shares nothing', (_, of) => {
    expect(shares(of, samples([0, A]))).toEqual([0, 0, 0]);
  });

  it('loses nothing and invents nothing, whatever the times', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 100_000 }), fc.nat({ max: 100_000_000 })), {
          minLength: 2,
          maxLength: 200,
        }),
        fc.array(fc.tuple(fc.integer({ min: -5000, max: 10_000_000 }), fc.integer({ min: 0, max: 2 })), {
          maxLength: 300,
        }),
        (steps, taken) => {
          const micros: number[] = [];
          const cpuNanos: number[] = [];
          steps.forEach(([after, used], i) => {
            micros.push((micros[i - 1] ?? 0) + after);
            cpuNanos.push((cpuNanos[i - 1] ?? 0) + used);
          });
          const inOrder = taken.toSorted(([a], [b]) => a - b);
          const { nanos, unsampledNanos } = done(
            shareCpuTime(
              { micros, cpuNanos },
              {
                micros: inOrder.map(([at]) => at),
                nodes: inOrder.map(([, node]) => node),
                isBusy: (node) => node !== IDLE,
              },
              NODES,
            ),
          );
          const total = nanos.reduce((sum, one) => sum + one, unsampledNanos);
          const used = cpuNanos.at(-1)! - cpuNanos[0]!;
          expect(Math.abs(total - used)).toBeLessThan(1 + used * 1e-9);
          expect([...nanos, unsampledNanos].every((one) => one >= 0)).toBe(true);
          expect(nanos[IDLE]).toBe(0);
          const isAnyBusy = inOrder.some(([at, node]) => node !== IDLE && at < micros.at(-1)!);
          expect(nanos.some((one) => one > 0) && !isAnyBusy).toBe(false);
        },
      ),
    );
  });

  it('yields on the way', () => {
    const of = readings(...Array.from({ length: 10_000 }, (_, i): [number, number] => [i * 10, i]));
    expect([...shareCpuTime(of, samples([5, A]), NODES)].length).toBeGreaterThan(5);
  });
});
