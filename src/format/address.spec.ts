import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { addressOf } from './address.js';

fc.configureGlobal({ seed: 1 }); // the same cases in every run

/** Any UTF-16, lone surrogates too. */
const anyText = fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units));

describe('addressOf', () => {
  it('is the same in every run and every release', () => {
    expect(addressOf('findOne', '/app/cats.js', 12, 3)).toBe(GOLDEN.findOne);
    expect(addressOf('(external)', '', 0, 0)).toBe(GOLDEN.external);
  });

  it('is a whole number from 1 to 2^53 - 1, whatever the place', () => {
    fc.assert(
      fc.property(anyText, fc.string(), fc.nat(), fc.nat(), (name, url, line, column) => {
        const address = addressOf(name, url, line, column);
        expect(Number.isSafeInteger(address)).toBe(true);
        expect(address).toBeGreaterThan(0);
      }),
    );
  });

  it('differs for 100,000 places that differ in one thing only', () => {
    const addresses = new Set<number>();
    for (let i = 0; i < 25_000; i++) {
      addresses.add(addressOf(`f${i}`, '/app/main.js', 1, 1));
      addresses.add(addressOf('f', `/app/${i}.js`, 1, 1));
      addresses.add(addressOf('f', '/app/main.js', i + 2, 1));
      addresses.add(addressOf('f', '/app/main.js', 1, i + 2));
    }
    expect(addresses.size).toBe(100_000);
  });
});

/** Recorded once: scrapers subtract by address across restarts and releases. */
const GOLDEN = { findOne: 2143825511896767, external: 2961552639952651 };
