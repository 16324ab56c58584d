import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { onOneLine, symbolName, textName } from './names.js';

fc.configureGlobal({ seed: 1 }); // the same cases in every run

/** What google/pprof makes of a name that a `symbol` gave: demangleSingleFunction, without C++'s mangled names. */
function afterDemangling(name: string): string {
  if (name.includes('.<') || name.includes(']).')) return name;
  if (!/[<>[\]]|::/.test(name)) return name;
  return withoutMatching(withoutMatching(name, '(', ')'), '<', '>');
}

/** google/pprof's removeMatching. */
function withoutMatching(name: string, opening: string, closing: string): string {
  let nesting = 0;
  let first = 0;
  for (let at = 0; at < name.length; at++) {
    if (name[at] === opening && ++nesting === 1) first = at;
    if (name[at] !== closing) continue;
    if (--nesting < 0) return name;
    if (nesting > 0) continue;
    name = name.slice(0, first) + name.slice(at + 1);
    at = first - 1;
  }
  return name;
}

const anyName = fc
  .array(fc.constantFrom(...'<>[]():.ab /', '::', '.<', ']).', '\n', '\u2028'), { maxLength: 12 })
  .map((parts) => parts.join(''));

describe('symbolName', () => {
  it.each([
    ['Cats.findOne', 'Cats.findOne'],
    ['Object.<anonymous>', 'Object.<anonymous>'],
    ['Object.<anonymous>(x)', 'Object.<anonymous>(x)'],
    ['[Symbol.iterator]', '[Symbol.iterator]'],
    ['(anonymous cats.js:3:1)', '(anonymous cats.js:3:1)'],
    ['größe ☃', 'größe ☃'],
    ['a+b "c"', 'a+b "c"'],
    ['a < b', 'a < b'],
    ['<anonymous>', '(anonymous)'],
    ['<a>(b)', '(a)(b)'],
    ['GET /cats/<id>', 'GET /cats/(id)'],
    ['Queue<Mail>', 'Queue(Mail)'],
    ['Map<string, Array<number>>', 'Map(string, Array(number))'],
    ['a::b(c)', 'a:b(c)'],
    ['WHERE a > (b)', 'WHERE a › (b)'],
    ['(x) => y', '(x) =› y'],
    ['get [foo](bar)', 'get (foo)(bar)'],
    ['(anonymous [id].ts:3)', '(anonymous (id).ts:3)'],
    ['(anonymous a::b.ts:3)', '(anonymous a:b.ts:3)'],
    ['a\r\nb\tc\0\u001b[31m\u007f\u0085\u2028d', 'a  b c  [31m   d'],
    ['a\n0x2 b', 'a 0x2 b'],
  ])('gives the name %j as %j', (name, shown) => expect(symbolName(name)).toBe(shown));

  it.each(['free', 'free(list)', 'allocate', 'runtime.start', 'Unlock', '_Z3foov', '_RNvC1a1b'])(
    'gives %j, which clients drop or demangle, an invisible first character',
    (name) => expect(symbolName(name)).toBe(`\u200b${name}`),
  );

  it.each(['freeze', 'Pool.allocate', 'unlock', 'runtime', '_zod', 'allocateUnsafe'])('leaves %j', (name) =>
    expect(symbolName(name)).toBe(name),
  );

  it('gives every name so that google/pprof removes nothing of it, of the same length but for "::"', () => {
    fc.assert(
      fc.property(anyName, (name) => {
        const shown = symbolName(name);
        expect(afterDemangling(shown)).toBe(shown);
        expect(shown.replaceAll(':', '')).toHaveLength(name.replaceAll(':', '').length);
      }),
    );
    expect(afterDemangling('GET /cats/<id>')).toBe('GET /cats/');
    expect(afterDemangling('a::b(c(d))<e>')).toBe('a::b');
  });
});

describe('onOneLine', () => {
  it('removes all control characters and no others', () => {
    const all = Array.from({ length: 0x3000 }, (_, code) => String.fromCharCode(code)).join('');
    const line = onOneLine(all);
    // oxlint-disable-next-line no-control-regex -- they are what is looked for
    expect(line).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]/u);
    expect(line).toHaveLength(all.length);
    expect(line.replaceAll(' ', '')).toHaveLength(all.length - 32 - 33 - 2 - 1);
  });
});

describe('textName', () => {
  it('has at most 4,000 characters, for clients that reject lines above 64 KiB', () => {
    expect(textName('☃'.repeat(70_000))).toBe('☃'.repeat(4000));
    expect(symbolName('☃'.repeat(70_000))).toHaveLength(4000);
  });
});
