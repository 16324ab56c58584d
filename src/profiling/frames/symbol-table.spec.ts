import { describe, expect, it, jest } from '@jest/globals';
import { addressOf } from '../../format/address.js';
import type { FrameIdentity } from './symbol-table.js';

/** Fillers' addresses are their names: to hash 100,000 names takes seconds in Jest. */
jest.unstable_mockModule('../../format/address.js', () => ({
  addressOf: (...identity: Parameters<typeof addressOf>) =>
    identity.includes('filler') ? Number(identity[0]) || Number(identity[1]) : addressOf(...identity),
}));
const { addressFor, SymbolTable } = await import('./symbol-table.js');

/** Addresses of a generation. */
const GENERATION = 50_000;

const symbols = new SymbolTable();

const frame = (functionName: string): FrameIdentity => ({
  functionName,
  filename: '/app/main.js',
  line: 1,
  column: 1,
});
const seen = (functionName: string): number => addressFor(frame(functionName), functionName);

/** Puts as many frames into the table as fill a generation, and returns their addresses. */
const fillGeneration = (first: number): number[] =>
  Array.from({ length: GENERATION }, (_, i) =>
    addressFor({ functionName: String(first + i), filename: 'filler', line: 0, column: 0 }, ''),
  );

describe('SymbolTable', () => {
  it('knows the name at an address, and at the one after it, which the text of a profile shows', () => {
    const address = seen('findOne');
    expect([-1, 0, 1, 2].map((offset) => symbols.nameOf(address + offset))).toEqual([
      undefined,
      'findOne',
      'findOne',
      undefined,
    ]);
    expect(symbols.nameOf(0)).toBeUndefined();
  });

  it('knows the latest name for display, which moves no address', () => {
    const address = seen('findAll');
    expect(addressFor(frame('findAll'), 'Cats.findAll')).toBe(address);
    expect(symbols.nameOf(address)).toBe('Cats.findAll');
  });

  it('knows the location of samples without a stack, which is of no frame', () => {
    const address = addressOf('(no stack)', '', 0, 0);
    expect([0, 1].map((offset) => symbols.nameOf(address + offset))).toEqual(['(no stack)', '(no stack)']);
    const frame = { functionName: '(no stack)', filename: '', line: 0, column: 0 };
    expect(addressFor(frame, '(no stack)')).toBe(address);
  });

  it('gives the next address to a frame whose address another one has', () => {
    // Found by search: of 2^53 addresses both have the same.
    const [one, other] = ['fxufqi78igz', 'f1x0btm4kyld'];
    expect(addressOf(one!, '/app/main.js', 1, 1)).toBe(addressOf(other!, '/app/main.js', 1, 1));
    const address = seen(one!);
    for (let times = 0; times < 2; times++) {
      expect([seen(one!), seen(other!)]).toEqual([address, address + 1]);
    }
    expect([symbols.nameOf(address), symbols.nameOf(address + 1)]).toEqual([one, other]);
  });

  it('keeps the last 50,000, what is seen again, and no more than 100,000', () => {
    const [once, again] = [seen('once'), seen('again')];
    const older = fillGeneration(1);
    expect([once, again].map((address) => symbols.nameOf(address))).toEqual(['once', 'again']);
    seen('again');
    const younger = fillGeneration(1 + GENERATION);
    expect([once, again].map((address) => symbols.nameOf(address))).toEqual([undefined, 'again']);
    const isKnown = (address: number): boolean => symbols.nameOf(address) !== undefined;
    expect(younger.every(isKnown)).toBe(true);
    expect(isKnown(older[0]!)).toBe(false);
    expect([...older, ...younger].filter(isKnown).length).toBeLessThan(2 * GENERATION);
    expect(seen('once')).toBe(once); // the same address as before
    expect(symbols.nameOf(once)).toBe('once');
  });
});
