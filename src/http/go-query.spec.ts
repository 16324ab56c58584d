import { describe, expect, it } from '@jest/globals';
import { atoi, formValue, parseFloat64, parseInt64, percentDecoded } from './go-query.js';

describe('formValue', () => {
  it.each([
    ['seconds=5', '5'],
    ['a=1&seconds=5', '5'],
    ['seconds=5&seconds=6', '5'],
    ['seconds=', ''],
    ['seconds', ''],
    ['', ''],
    ['seconds=+5', ' 5'],
    ['seconds=%2B5', '+5'],
    ['sec%6Fnds=5', '5'],
    ['seconds=a=b', 'a=b'],
    ['seconds=1;x=2', ''],
    ['seconds=%zz&seconds=7', '7'],
    ['SECONDS=5', ''],
    ['seconds=%ff', '\ufffd'],
  ])('reads %j as Go does', (query, value) => {
    expect(formValue(query, 'seconds')).toBe(value);
  });
});

describe('atoi', () => {
  it.each([
    ['1', 1],
    ['-1', -1],
    ['+2', 2],
    ['007', 7],
    ['', 0],
    ['x', 0],
    ['1x', 0],
    [' 1', 0],
    ['1.5', 0],
    ['0x10', 0],
    ['1_000', 0],
    ['٣', 0],
    ['99999999999999999999', Number.MAX_SAFE_INTEGER],
    ['-99999999999999999999', Number.MIN_SAFE_INTEGER],
  ])('reads %j as %d', (text, value) => {
    expect(atoi(text)).toBe(value);
  });
});

describe('parseInt64', () => {
  it.each([
    ['30', 30],
    ['+30', 30],
    ['-3', -3],
    ['9223372036854775807', 2 ** 63],
    ['9223372036854775808', undefined],
    ['-9223372036854775809', undefined],
    ['1.5', undefined],
    ['', undefined],
    ['1e3', undefined],
    ['--1', undefined],
  ])('reads %j as %p', (text, value) => {
    expect(parseInt64(text)).toBe(value);
  });
});

describe('percentDecoded', () => {
  it.each([
    ['h%65ap', 'heap'],
    ['a%2Fb', 'a/b'],
    ['%2565', '%65'],
    ['%C3%A9', 'é'],
    ['%ff', '\ufffd'],
    ['plain', 'plain'],
  ])('decodes %j once, to %j', (text, decoded) => {
    expect(percentDecoded(text)).toBe(decoded);
  });
});

describe('parseFloat64', () => {
  it.each([
    ['1', 1],
    ['1.5', 1.5],
    ['.5', 0.5],
    ['5.', 5],
    ['+2', 2],
    ['-2.5e-1', -0.25],
    ['1e3', 1000],
    ['1E+2', 100],
    ['1_0', 10],
    ['1_0.2_5e0_1', 102.5],
    ['007', 7],
    ['0x1p-2', 0.25],
    ['0X1P3', 8],
    ['0x1.8p1', 3],
    ['0x.8p0', 0.5],
    ['-0x_1p0', -1],
    ['1e-999', 0],
  ])('reads %j as Go does', (text, value) => {
    expect(parseFloat64(text)).toBe(value);
  });

  it.each([
    '',
    ' 5',
    '5 ',
    'x',
    '1x',
    '.',
    'e1',
    '1e',
    '1e+',
    '0x10',
    '0x1',
    '0xp1',
    '0x.p1',
    '1__0',
    '_1',
    '1_',
    '1_.5',
    '1._5',
    '1e999',
    '-1e999',
    '0x1p9999',
    'inf',
    '-Inf',
    'NaN',
    '٣',
  ])('takes %j for no number', (text) => {
    expect(parseFloat64(text)).toBeUndefined();
  });
});
