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

describe('parseFloat64', () => {
  it.each([
    ['1', 1],
    ['0.05', 0.05],
    ['+2.5', 2.5],
    ['-1', -1],
    ['.5', 0.5],
    ['5.', 5],
    ['1e3', 1000],
    ['1E-2', 0.01],
    ['1_0', 10],
    ['1_0.2_5', 10.25],
    ['0x1p-2', 0.25],
    ['-0X1P2', -4],
    ['0x.8p1', 1],
    ['0x_1p0', 1],
    ['0x1p1_0', 1024],
    ['0x1_0.8p0', 16.5],
    ['1e-999', 0],
    ['0x10', undefined],
    ['0xp1', undefined],
    ['0x.p1', undefined],
    ['_1', undefined],
    ['1_', undefined],
    ['1__0', undefined],
    ['1_.5', undefined],
    ['1e_5', undefined],
    [' 5', undefined],
    ['a_b', undefined],
    ['.', undefined],
    ['1s', undefined],
    ['1e999', undefined],
    ['inf', undefined],
    ['NaN', undefined],
    ['', undefined],
  ])('reads %j as %p', (text, value) => {
    expect(parseFloat64(text)).toBe(value);
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
