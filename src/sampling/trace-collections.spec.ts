import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { collectGarbage } from './garbage.js';
import { type Collection, Collections } from './trace-collections.js';

describe('collections', () => {
  it('are told with their times, and the heap before and after', async () => {
    const told: Collection[] = [];
    const begin = performance.now();
    const collections = new Collections((collection) => told.push(collection));
    let kept: unknown[] = Array.from({ length: 100_000 }, (_, i) => ({ i }));
    expect(kept).toHaveLength(100_000);
    kept = [];
    await collectGarbage();
    await setImmediate();
    collections.stop();
    expect(told.map(({ kind }) => kind)).toContain('mark-compact');
    expect(told.some(({ before, after }) => before! - after! > 1_000_000)).toBe(true);
    for (const { beginMs, endMs, after, size } of told) {
      expect(beginMs).toBeGreaterThan(begin);
      expect(endMs).toBeGreaterThan(beginMs);
      expect(endMs).toBeLessThan(performance.now());
      expect(size!).toBeGreaterThan(after!);
    }
  });

  it('are told no more after the end', async () => {
    const told: Collection[] = [];
    new Collections((collection) => told.push(collection)).stop();
    const before = told.length;
    await collectGarbage();
    await setImmediate();
    expect(told).toHaveLength(before);
  });
});
