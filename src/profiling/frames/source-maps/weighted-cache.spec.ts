import { describe, expect, it } from '@jest/globals';
import { WeightedCache } from './weighted-cache.js';

describe('WeightedCache', () => {
  it('lets go of what was used least recently when the weight is too much', () => {
    const cache = new WeightedCache<string>(10, 100);
    cache.set('a', 'A', 4);
    cache.set('b', 'B', 4);
    expect(cache.get('a')).toBe('A');
    cache.set('c', 'C', 4);
    expect(cache.has('b')).toBe(false);
    expect([cache.get('a'), cache.get('c')]).toEqual(['A', 'C']);
  });

  it('holds no more entries than it may', () => {
    const cache = new WeightedCache<number>(1000, 3);
    for (let i = 0; i < 10; i++) cache.set(`${i}`, i, 1);
    expect(Array.from({ length: 10 }, (_, i) => cache.has(`${i}`)).filter(Boolean)).toHaveLength(3);
    expect(cache.get('9')).toBe(9);
  });

  it('does not let one that is too heavy push out all others', () => {
    const cache = new WeightedCache<string>(10, 100);
    cache.set('a', 'A', 4);
    cache.set('b', 'B', 11);
    expect(cache.has('b')).toBe(false);
    expect(cache.get('a')).toBe('A');
  });

  it('weighs an entry that is set again once', () => {
    const cache = new WeightedCache<string>(10, 100);
    cache.set('a', 'A', 4);
    for (let i = 0; i < 10; i++) cache.set('b', 'B', 6);
    expect(cache.get('a')).toBe('A');
  });

  it('can hold that there is nothing', () => {
    const cache = new WeightedCache<string | undefined>(10, 100);
    cache.set('a', undefined, 1);
    expect(cache.has('a')).toBe(true);
    expect(cache.get('a')).toBeUndefined();
  });
});
