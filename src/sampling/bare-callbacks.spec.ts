import { describe, expect, it } from '@jest/globals';
import { BareCallbacks } from './bare-callbacks.js';

describe('BareCallbacks', () => {
  it('knows what the callback awaits in which they began, until that is over', () => {
    const bare = new BareCallbacks();
    expect(bare.awaits(1)).toBe(false); // nobody cares yet
    const birth = bare.begin(7);
    expect(birth.after).toBe(7);
    expect(bare.begin(7)).toBe(birth); // one for all of a callback
    expect([bare.awaits(9), bare.awaits(10)]).toEqual([true, true]);
    expect([...birth.awaits]).toEqual([9, 10]);
    bare.over(9);
    bare.over(9);
    bare.over(11);
    expect([...birth.awaits]).toEqual([10]);
    bare.passOn(10, 12);
    bare.over(10);
    expect([...birth.awaits]).toEqual([12]);
    bare.over(12);
    expect([birth.awaits.size, bare.size]).toEqual([0, 0]);
  });

  it('tells callbacks apart', () => {
    const bare = new BareCallbacks();
    const first = bare.begin(1);
    bare.awaits(2);
    bare.next();
    expect(bare.awaits(3)).toBe(false);
    const second = bare.begin(3);
    bare.awaits(4);
    expect([[...first.awaits], [...second.awaits]]).toEqual([[2], [4]]);
    bare.clear();
    expect(bare.size).toBe(0);
  });
});
