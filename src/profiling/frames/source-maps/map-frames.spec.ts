import { describe, expect, it } from '@jest/globals';
import { AnyMap, encodedMappings, originalPositionFor, TraceMap } from '@jridgewell/trace-mapping';
import fc from 'fast-check';
import { finished } from '../../../format/finished.js';
import { type MappedFrame, mapFrames } from './map-frames.js';
import { parseMap, type SourceMap } from './mappings.js';

fc.configureGlobal({ seed: 1 }); // the same cases in every run

/** A map, and the code that it is of. */
interface Mapped {
  readonly map: SourceMap;
  readonly code: ReadonlyMap<number, string>;
}

/** @param code more lines than any map here has, where it does not matter */
function parsed(map: unknown, code = '\n'.repeat(100)): Mapped {
  const lines = code.split('\n');
  const text = typeof map === 'string' ? map : JSON.stringify(map);
  return { map: parseMap(text, () => lines.length), code: new Map(lines.entries()) };
}

type Segments = number[][][];

const SOURCES = ['a.ts', 'b.ts', 'c.ts'];
const NAMES = ['alpha', 'beta'];

const mapOf = (
  segments: Segments,
  more: object = {},
): { version: 3; mappings: string; sources: string[]; names: string[] } => ({
  version: 3,
  sources: SOURCES,
  names: NAMES,
  mappings: encodedMappings(
    new TraceMap({ version: 3, sources: SOURCES, names: NAMES, mappings: segments as never }),
  ),
  ...more,
});

const frame = { functionName: '', functionLine: 0, functionColumn: 0, line: 0 };

function mapFrame({ map, code }: Mapped, place: object): MappedFrame | undefined {
  return finished(mapFrames(map, code, [{ ...frame, ...place }]))[0];
}

/** Source and line, from 1, of the function that begins at a generated place, from 0. */
function at(map: Mapped, line: number, column: number): [string, number] | undefined {
  return placeOf(map, { functionLine: line + 1, functionColumn: column + 1, line: line + 1 });
}
/** The same of a generated line, of which the columns are not known. */
function atLine(map: Mapped, line: number): [string, number] | undefined {
  return placeOf(map, { line: line + 1 });
}
function placeOf(mapped: Mapped, place: object): [string, number] | undefined {
  const found = mapFrame(mapped, place);
  return found && [mapped.map.sources[found.source]!, found.line];
}
/** The original name of the function that begins at a generated place, from 0. */
function originalName(map: Mapped, line: number, column: number, functionName: string) {
  const place = { functionLine: line + 1, functionColumn: column + 1, line: line + 1 };
  return mapFrame(map, { ...place, functionName })?.functionName;
}

const small = fc.nat({ max: 12 });
const segment = fc.oneof(
  fc.tuple(small),
  fc.tuple(small, fc.nat({ max: 2 }), small, small),
  fc.tuple(small, fc.nat({ max: 2 }), small, small, fc.nat({ max: 1 })),
);
const segments = fc.array(fc.array(segment, { maxLength: 6 }), { maxLength: 6 }) as fc.Arbitrary<Segments>;

const PLACES = Array.from({ length: 14 * 10 }, (_, i) => ({ line: Math.floor(i / 14), column: i % 14 }));

function placesIn(map: Mapped) {
  return PLACES.map(({ line, column }) => ({ line, column, at: at(map, line, column) }));
}
function peerPlacesIn(peer: TraceMap) {
  return PLACES.map(({ line, column }) => {
    const { source, line: found } = originalPositionFor(peer, { line: line + 1, column });
    return { line, column, at: source === null ? undefined : [source, found] };
  });
}
/** The source of a map with a root. */
const rooted = (sourceRoot: unknown, source: string): string | undefined =>
  at(parsed(mapOf([[[0, 0, 0, 0]]], { sources: [source], sourceRoot })), 0, 0)?.[0];

/** A map of one line with a name at each place where `@` stands in the code, and where V8 begins the function: `|`. */
function nameIn(marked: string, v8Name: string, original = 'alpha'): string | undefined {
  const name = marked.indexOf('@');
  const begin = marked.replace('@', '').indexOf('|');
  const code = marked.replace(/[@|]/g, '');
  const map = mapOf(
    [
      [
        [0, 0, 0, 0],
        [name, 0, 0, 9, 0],
      ],
    ],
    { names: [original] },
  );
  return originalName(parsed(map, code), 0, begin, v8Name);
}

describe('parseMap', () => {
  it('finds what another reader of maps finds, in disorder too', () => {
    fc.assert(
      fc.property(segments, (lines) => {
        const map = mapOf(lines);
        expect(placesIn(parsed(map))).toEqual(peerPlacesIn(new TraceMap(map)));
      }),
    );
  });

  it('joins sections as another reader does', () => {
    const sections = fc.array(fc.tuple(fc.nat({ max: 2 }), small, segments), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(sections, (parts) => {
        let line = 0;
        const map = {
          version: 3 as const,
          sections: parts.map(([down, column, lines]) => {
            line += down + 1; // lines apart: the other reader adds up the columns of sections in one line
            const sorted = lines.map((one) => one.toSorted((a, b) => a[0]! - b[0]!));
            return { offset: { line, column }, map: mapOf(sorted) };
          }),
        };
        expect(placesIn(parsed(map))).toEqual(peerPlacesIn(new AnyMap(map as never)));
      }),
    );
  });

  it('puts sources behind the root', () => {
    expect(rooted('/app/src', 'a.ts')).toBe('/app/src/a.ts');
    expect(rooted('/app/src/', 'a.ts')).toBe('/app/src/a.ts');
    expect(rooted('', 'a.ts')).toBe('a.ts');
  });

  it('reads a map behind a line that guards it', () => {
    expect(at(parsed(`)]}'\n${JSON.stringify(mapOf([[[0, 0, 4, 0]]]))}`), 0, 0)).toEqual(['a.ts', 5]);
  });

  it('has no source where the map points to none', () => {
    const map = parsed(
      mapOf([[[0, 1, 0, 0]], [[0, 9, 0, 0]], [[0, -1, 0, 0]], [[0, 0, -5, 0]], [[0]], [[0, 0, 0, 0]]], {
        sources: ['a.ts', null],
      }),
    );
    expect([0, 1, 2, 3, 4].map((line) => at(map, line, 0))).toEqual(Array(5).fill(undefined));
    expect(at(map, 5, 0)).toEqual(['a.ts', 1]);
  });

  it('lets go in between, also of a map whose code is in one line', () => {
    const segments = Array.from({ length: 20_000 }, (_, i) => [i * 3, 0, i, 0, 0]);
    const { map, code } = parsed(mapOf([segments]), 'a()'.repeat(20_000));
    const pieces = [...mapFrames(map, code, [{ ...frame, line: 1 }])];
    expect(pieces.length).toBeGreaterThan(2);
  });

  it.each([
    ['nothing', ''],
    ['no JSON', '<html>'],
    ['null', 'null'],
    ['a number', '1'],
    ['a list', '[]'],
    ['no mappings', { version: 3, sources: [] }],
    ['no sources', { version: 3, mappings: 'AAAA' }],
    ['sources as an object', { version: 3, mappings: 'AAAA', sources: { length: 1 } }],
    ['sections without an offset', { sections: [{ map: {} }] }],
    [
      'a section at a line that no script has',
      { sections: [{ offset: { line: 2_000_000_000, column: 0 }, map: mapOf([[[0]]]) }] },
    ],
    ['sections that are null', { sections: [null] }],
    ['an offset of text', { sections: [{ offset: { line: '1', column: 0 }, map: mapOf([[[0]]]) }] }],
    ['an offset below 0', { sections: [{ offset: { line: -1, column: 0 }, map: mapOf([[[0]]]) }] }],
  ])('throws at %s', (_what, map) => {
    expect(() => parsed(map)).toThrow(Error);
  });
});

/** A map by which a line of code is from the lines 8 and 9 of a source. */
const folded = (code: string): Mapped =>
  parsed(
    mapOf([
      [
        [0, 0, 7, 0],
        [2, 0, 8, 0],
      ],
    ]),
    code,
  );

describe('mapFrames for a line', () => {
  const lines = parsed(
    mapOf([
      [[0], [4, 0, 7, 0], [9, 0, 8, 0]],
      [
        [0, 0, 0, 0],
        [5, 1, 0, 0],
      ],
      [[0]],
      [],
    ]),
  );

  it('finds the code behind a comment, whose begin and end tools map too', () => {
    const map = parsed(
      mapOf([
        [
          [1, 0, 27, 1],
          [4, 0, 28, 0],
        ],
        [
          [0, 0, 40, 0],
          [9, 0, 40, 9],
          [12, 0, 41, 0],
        ],
        [[0, 0, 50, 0]],
      ]),
      [' */ export function f() {', '/** Two. */ g();', '/**'].join('\n'),
    );
    expect([0, 1, 2].map((line) => atLine(map, line)?.[1])).toEqual([29, 42, undefined]);
  });

  it('finds the first segment that has a source', () => {
    expect(atLine(lines, 0)).toEqual(['a.ts', 8]);
  });

  it.each([
    ['a call', 'f(a, { b: 1 }, c);'],
    ['a condition', 'if (a && b) {'],
    ['a value', 'const a = [b, c, d];'],
  ])('finds the first of several that were folded into %s', (_what, code) => {
    expect(atLine(folded(code), 0)).toEqual(['a.ts', 8]);
  });

  it.each([
    ['two statements', 'a();b();'],
    ['a function with a body', 'function a(){b()}'],
    ['a method with a body', 'class A{b(){c()}}'],
    ['a call with an arrow function', 'a(b => b.c, d);'],
    ['a call with a function', 'a(function () {'],
  ])('finds nothing for several that were folded into %s', (_what, code) => {
    expect(atLine(folded(code), 0)).toBeUndefined();
  });

  it.each([
    ['of two sources', 1],
    ['that nobody wrote', 2],
    ['without segments', 3],
    ['behind the end', 4],
  ])('finds nothing for one %s', (_what, line) => {
    expect(atLine(lines, line)).toBeUndefined();
  });
});

describe('mapFrames for the name of a function', () => {
  it.each([
    ['a declaration', 'x;function @t|(e){}', 't'],
    ['an async declaration', 'async function @t|(e){}', 't'],
    ['a generator', 'function*@t|(e){}', 't'],
    ['a method', 'class{@t|(e){}}', 't'],
    ['a private method', 'class{@#t|(e){}}', '#t'],
    ['an arrow function', 'let @t=|e=>e', 't'],
    ['an arrow function of several', 'let @t=|(e,n)=>e', 't'],
    ['an async arrow function', 'let @t=|async e=>e', 't'],
    ['an async arrow function of several', 'let @t=|async(e,n)=>e', 't'],
    ['a function expression', 'let @t=function|(e){}', 't'],
    ['an async generator expression', 'let @t=async function*|(e){}', 't'],
    ['a named function expression', 'let a=function @t|(e){}', 't'],
    ['a name of several characters', 'function @$tö|(e){}', '$tö'],
    ['code with spaces', 'const @t = |(e) => e', 't'],
  ])('has that of the map for %s', (_what, marked, v8Name) => {
    expect(nameIn(marked, v8Name)).toBe('alpha');
  });

  it.each([
    ['a function in a list behind a name', '[@t,|e=>e]', 't'],
    ['a function that is an argument', '@t(|e=>e)', 't'],
    ['another function that begins there', 'let @t=|e=>e', 'n'],
    ['an anonymous function', 'let @t=|e=>e', ''],
    ['a constructor, which has the name of its class', 'class{@constructor|(){}}', 't'],
    ['a comparison', 'if(@t==|e)', 't'],
    ['a value', 'let @t=|5', 't'],
    ['a name that stands behind the code', 'x|                @', 't'],
  ])('has none for %s', (_what, marked, v8Name) => {
    expect(nameIn(marked, v8Name)).toBeUndefined();
  });

  it('has none for a function that kept its name', () => {
    expect(nameIn('function @alpha|(e){}', 'alpha')).toBeUndefined();
  });

  it('finds it in any line', () => {
    const lines = ['', 'function a(){}', '', 'function b(){}function c(){}', ''];
    const map = mapOf(
      [
        [],
        [[9, 0, 1, 9, 0]],
        [],
        [
          [9, 0, 3, 9, 1],
          [23, 0, 4, 9, 2],
        ],
        [],
      ],
      { names: ['first', 'second', 'third'] },
    );
    const mapped = parsed(map, lines.join('\r\n'));
    expect(originalName(mapped, 1, 10, 'a')).toBe('first');
    expect(originalName(mapped, 3, 10, 'b')).toBe('second');
    expect(originalName(mapped, 3, 24, 'c')).toBe('third');
    expect(originalName(mapped, 2, 10, 'a')).toBeUndefined();
    expect(originalName(mapped, 9, 10, 'a')).toBeUndefined();
  });
});
