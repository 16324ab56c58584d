import { describe, expect, it } from '@jest/globals';
import { likelyObjectSize } from './heap-samples.js';

const RATE = 524_288;

/** V8's own rounding, written again from sampling-heap-profiler.cc's ScaleSample. */
const sampleOf = (size: number): number => size * Math.floor(1 / (1 - Math.exp(-size / RATE)) + 0.5);

describe('likelyObjectSize', () => {
  it.each([16, 64, 1024, 4096, 65_536])('finds the size of an object of %i bytes', (size) => {
    expect(likelyObjectSize(sampleOf(size), RATE)).toBe(size);
  });

  it('finds for small and large sizes one that V8 would have given the same sample', () => {
    for (let size = 16; size < RATE; size += size < 8192 ? 8 : 1000) {
      const found = likelyObjectSize(sampleOf(size), RATE);
      expect(sampleOf(found)).toBe(sampleOf(size));
    }
  });

  it('takes a sample for one object where no size gives it', () => {
    expect(likelyObjectSize(7, RATE)).toBe(7);
    expect(likelyObjectSize(50_000_000, RATE)).toBe(50_000_000);
  });
});
