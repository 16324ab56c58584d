import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { rateOfCounts, rateOfProducts } from './heap-rate.js';

fc.configureGlobal({ seed: 1 }); // the same cases in every run

const RATES = [1024, 16_384, 32_768, 100_000, 262_144, 524_288, 1_048_576];

/** What V8 tells of objects that it has sampled, after its sampling-heap-profiler.cc: ScaleSample. */
const scaled = (sizeBytes: number, samples: number, rate: number): { sizeBytes: number; count: number } => ({
  sizeBytes,
  count: Math.floor(samples / (1 - Math.exp(-sizeBytes / rate)) + 0.5),
});

/** Objects of many sizes, which most processes have; V8 aligns them to words. */
const anyObjects = fc.array(
  fc.record({ size: fc.integer({ min: 2, max: 100_000 }).map((words) => 8 * words), n: fc.nat({ max: 3 }) }),
  { minLength: 50, maxLength: 300 },
);

describe.each(RATES)('the rate of a heap sampler at %d', (rate) => {
  /** Small ones, sampled once each, tell most. */
  const SMALL = Array.from({ length: 20 }, (_, i) => scaled(16 + 8 * (i % 6), 1, rate));

  it.each(RATES)('is read off its counts where %d was asked for', (asked) => {
    fc.assert(
      fc.property(anyObjects, (objects) => {
        const counts = objects.map(({ size, n }) => scaled(size, n + 1, rate));
        const found = rateOfCounts([...SMALL, ...counts], asked);
        expect(Math.abs(found / rate - 1)).toBeLessThan(0.05);
      }),
      { numRuns: 50 },
    );
  });

  it.each(RATES)('is read off its products where %d was asked for', (asked) => {
    fc.assert(
      fc.property(anyObjects, (objects) => {
        const products = [...SMALL, ...objects.map(({ size }) => scaled(size, 1, rate))].map(
          ({ sizeBytes, count }) => sizeBytes * count,
        );
        expect(Math.abs(rateOfProducts(products, asked) / rate - 1)).toBeLessThan(0.05);
      }),
      { numRuns: 50 },
    );
  });

  it.each([1 / 4, 1 / 2, 2, 3, 4, 8])(
    'is read off where it is %d times that, by single samples',
    (factor) => {
      expect(Math.abs(rateOfCounts(SMALL, rate / factor) / rate - 1)).toBeLessThan(0.05);
      const products = SMALL.map(({ sizeBytes, count }) => sizeBytes * count);
      expect(Math.abs(rateOfProducts(products, rate / factor) / rate - 1)).toBeLessThan(0.05);
    },
  );

  it('is exactly what was asked for where it is that', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 2, max: 100_000 }), { maxLength: 100 }), (words) => {
        const objects = words.map((word, i) => scaled(8 * word, 1 + (i % 5), rate));
        const singles = words.map((word) => scaled(8 * word, 1, rate));
        expect(rateOfCounts([...objects, ...singles], rate)).toBe(rate);
        // The inspector tells each sample by itself.
        const products = [...SMALL, ...singles].map(({ sizeBytes, count }) => sizeBytes * count);
        expect(rateOfProducts(products, rate)).toBe(rate);
      }),
    );
  });

  it('is believed to be what was asked for where few samples speak against it', () => {
    expect(rateOfCounts([], rate)).toBe(rate);
    expect(rateOfProducts([], rate)).toBe(rate);
    // 400 samples at one place look like one sample at 400 times the rate.
    expect(rateOfCounts([scaled(1024, 400, 4 * rate)], rate)).toBe(rate);
    expect(rateOfProducts([5 * rate], rate)).toBe(rate);
  });
});
