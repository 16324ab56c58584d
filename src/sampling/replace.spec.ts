import { describe, expect, it } from '@jest/globals';
import { replace } from './replace.js';

class Cat {
  say(what: string): string {
    return what;
  }
}

const louder = (cat: object) => replace(cat, 'say', (say, args) => `${String(say(args))}!`);

describe('A replaced method', () => {
  it('is called in place of the original, and is inherited again when it is put back', () => {
    const cat = new Cat();
    const restore = louder(cat);
    expect(cat.say('meow')).toBe('meow!');
    restore();
    expect([cat.say('meow'), Object.hasOwn(cat, 'say')]).toEqual(['meow', false]);
  });

  it('is the same property again when it is put back', () => {
    const before = Object.getOwnPropertyDescriptor(Cat.prototype, 'say');
    louder(Cat.prototype)();
    expect(Object.getOwnPropertyDescriptor(Cat.prototype, 'say')).toEqual(before);
  });

  it('stays, without effect, if other code has replaced it again', () => {
    const cat = new Cat();
    const restore = louder(cat);
    const ours = cat.say;
    const theirs = (what: string): string => `(${ours.call(cat, what)})`;
    cat.say = theirs;
    restore();
    expect([cat.say, cat.say('meow')]).toEqual([theirs, '(meow)']);
  });

  it('stays as it is in a frozen object', () => {
    const cat = Object.freeze(new Cat());
    louder(cat)();
    expect(cat.say('meow')).toBe('meow');
  });
});
