import { describe, expect, it } from '@jest/globals';
import { finished } from '../../format/finished.js';
import { symbolText } from './symbol.js';

const HEADER = 'num_symbols: 1\n';
const FULL = 'reading request: bufio: buffer full\n';
const ADDRESS = 0x1a2b3c4d5e6f7;
const HEX = '0x1a2b3c4d5e6f7';

/** The lines after the header. */
function found(words: string, name = 'f'): string[] {
  const text = `${finished(symbolText(words, (address) => (address === ADDRESS ? name : undefined)))}`;
  expect(text.startsWith(HEADER)).toBe(true);
  return text.slice(HEADER.length).match(/.*\n/g) ?? [];
}

describe('symbol', () => {
  it.each([
    ['hexadecimal digits', HEX],
    ['capitals', HEX.toUpperCase()],
    ['decimal digits', String(ADDRESS)],
    ['octal digits', `0o${ADDRESS.toString(8)}`],
    ['octal digits after a capital', `0O${ADDRESS.toString(8)}`],
    ["C's octal digits", `0${ADDRESS.toString(8)}`],
    ["C's octal digits after an underscore", `0_${ADDRESS.toString(8)}`],
    ['binary digits', `0b${ADDRESS.toString(2)}`],
    ['binary digits after a capital', `0B${ADDRESS.toString(2)}`],
    ['underscores', '0x_1_a2b3_c4d5_e6f7'],
    ['leading zeros', '0x00001a2b3c4d5e6f7'],
    ['unknown addresses around it', `zzz+0x1+${HEX}+0+0x+++1e3`],
    ['a longest word before it', `${'z'.repeat(4095)}+${HEX}`],
  ])('reads an address with %s', (_, words) => {
    expect(found(words)).toEqual([`${HEX} f\n`]);
  });

  it.each([
    ['nothing', ''],
    ['separators only', '+++'],
    ['two underscores', HEX.replace('x', 'x__')],
    ['an underscore at its end', `${HEX}_`],
    ['an underscore before it', `_${ADDRESS}`],
    ['a sign', `-${ADDRESS}`],
    ['a fraction', `${ADDRESS}.0`],
    ['letters after it', `${HEX}g`],
    ['a space before it', ` ${HEX}`],
    ['an escape', HEX.replace('0', '%30')],
    ['a newline after it, as with echo', `${HEX}\n`],
    ['a NUL after it', `${HEX}\0`],
    ['digits that are not octal', '08'],
    ['more than 53 bits, which doubles round', `${BigInt(ADDRESS) << 20n}`],
    ['more than 64 bits', `0x1${'0'.repeat(4000)}`],
    ['zero', '0+0x0+00+0_0+0b0'],
    ['prefixes only', '0x+0b+0o'],
  ])('knows no address in words with %s', (_, words) => {
    expect(found(words)).toEqual([]);
  });

  it('has a line for each time that it is asked, in order', () => {
    expect(found(`${HEX}+${ADDRESS}+${HEX}+`)).toEqual(Array(3).fill(`${HEX} f\n`));
  });

  it.each([4096, 4097, 5000])("stops at a word of %i bytes, which Go's buffer does not hold", (length) => {
    expect(found(`${HEX}+${'1'.repeat(length)}+${HEX}`)).toEqual([`${HEX} f\n`, FULL]);
  });

  it.each([
    ['Cats.findOne', 'Cats.findOne'],
    ['GET /cats/<id>', 'GET /cats/(id)'],
    ['a\n0x2 b', 'a 0x2 b'],
  ])('shows the name %j as %j', (name, shown) => {
    expect(found(HEX, name)).toEqual([`${HEX} ${shown}\n`]);
  });

  it.each([1, 4, 4096])('yields every 8 KiB of words of %i bytes', (length) => {
    const slices = symbolText('+'.padStart(length, '1').repeat(2 ** 18 / length), () => undefined);
    let yields = 0;
    while (!slices.next().done) yields++;
    expect(yields).toBe(32);
  });
});
