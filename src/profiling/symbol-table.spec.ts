import { describe, expect, it } from '@jest/globals';
import { SymbolTable } from './symbol-table.js';

const place = (address: number, functionName = `f${address}`) => ({
  address,
  functionName,
  filename: '/app/main.js',
  startLine: 1,
  line: 1,
  column: 0,
});

describe('SymbolTable', () => {
  it('knows the name at an address, and at the one after it, which texts show', () => {
    const symbols = new SymbolTable();
    symbols.remember(place(0x1000, 'findOne'));
    symbols.remember(place(0x1001, 'findAll'));
    expect(symbols.nameOf(0x1000)).toBe('findOne');
    expect(symbols.nameOf(0x1001)).toBe('findAll');
    expect(symbols.nameOf(0x1002)).toBe('findAll');
    expect(symbols.nameOf(0x0fff)).toBeUndefined();
  });

  it('keeps the newest 50,000 and forgets the oldest, in bounded memory', () => {
    const symbols = new SymbolTable();
    for (let i = 1; i <= 260_000; i++) symbols.remember(place(i * 2));
    expect(symbols.nameOf(520_000)).toBe('f520000');
    expect(symbols.nameOf(520_000 - 2 * 49_999)).toBeDefined();
    expect(symbols.nameOf(520_000 - 2 * 100_001)).toBeUndefined();
  });

  it('keeps what is seen again', () => {
    const symbols = new SymbolTable();
    for (let i = 1; i <= 200_000; i++) {
      symbols.remember(place(i * 2));
      if (i % 40_000 === 0) symbols.remember(place(1, 'hot'));
    }
    expect(symbols.nameOf(1)).toBe('hot');
  });
});
