import { AnyMap, decodedMappings } from '@jridgewell/trace-mapping';
import { type CompactMap, NONE, ROW } from './compact-map.js';

/** Lines and columns that a profile, and the arrays of a map, can hold. */
const MAX_POSITION = 0x7fff_ffff;

/** Segments between two yields. */
const SLICE = 64;

/** All are bounded: a map may point to the same long stretch of code very often. */
const NAME = String.raw`[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]{0,200}`;
const SPACE = String.raw`[ \t]{0,9}`;
const FUNCTION = String.raw`(?:async[ \t]{1,9})?function${SPACE}\*?${SPACE}(?=\()`;
const ARROW = String.raw`(?=(?:async\b${SPACE})?(?:\(|${NAME}${SPACE}=>))`;
/**
 * A function's name in `name(…) {` or `name = …`, up to where V8 lets the function begin: at its parameters, and for an
 * arrow function at its first character. Calls look like declarations and match too, but no function begins there.
 */
const NAMED_FUNCTION = new RegExp(
  String.raw`(#?${NAME})(?:(?=\()|${SPACE}=(?![=>])${SPACE}(?:${FUNCTION}|${ARROW}))`,
  'uy',
);

/**
 * Reads a source map. The steps of the library that does it hold the event loop, in proportion to the map; what is made of
 * its result does not.
 *
 * @param code the script it belongs to
 * @throws Error if it is none
 */
export function* parseMap(map: string, code: string): Generator<void, CompactMap> {
  const json = JSON.parse(withoutGuard(map)) as ConstructorParameters<typeof AnyMap>[0];
  yield;
  const codeLines = code.split('\n');
  checkSections(json, codeLines.length);
  const traced = new AnyMap(json);
  const mappings = decodedMappings(traced);
  yield;

  const texts = new TextTable();
  const segments = new Uint32Array(ROW * mappings.reduce((sum, { length }) => sum + length, 0));
  const renamed: number[] = [];
  let end = 0;
  for (const [line, ofLine] of mappings.entries()) {
    for (const [column, source, originalLine, , nameIndex] of ofLine) {
      if (end % (ROW * SLICE) === 0) yield;
      if (!isPosition(column)) throw new Error(`column ${column}`);
      const file = isPosition(originalLine) && traced.resolvedSources[source!];
      segments[end++] = line;
      segments[end++] = column;
      segments[end++] = file ? texts.add(file) : NONE;
      segments[end++] = file ? originalLine : 0;

      const name: unknown = file && nameIndex !== undefined && traced.names[nameIndex];
      NAMED_FUNCTION.lastIndex = column;
      const named = typeof name === 'string' && name && NAMED_FUNCTION.exec(codeLines[line] ?? '');
      if (named && named[1] !== name)
        renamed.push(line, column + named[0].length, texts.add(named[1]!), texts.add(name));
    }
  }
  yield;
  return { segments, renamed: new Uint32Array(renamed), ...(yield* texts.build()) };
}

/** A section says at which line it begins, and the library makes all the lines before: no more than the script has. */
function checkSections(map: unknown, lines: number): void {
  const { sections = [] } = Object(map) as { sections?: readonly unknown[] };
  for (const section of sections) {
    const { offset, map: inner } = Object(section) as { offset?: { line?: number }; map?: unknown };
    const line = offset?.line ?? Number.NaN;
    if (!(line >= 0 && line <= lines)) throw new Error(`a section at line ${line} of ${lines}`);
    checkSections(inner, lines - line);
  }
}

/** Some servers put a line before JSON, so that no page can load it as a script. */
function withoutGuard(map: string): string {
  return map.startsWith(")]}'") ? map.slice(map.indexOf('\n') + 1) : map;
}

/** Numbers texts, each once. */
class TextTable {
  private readonly indexes = new Map<string, number>();

  add(text: string): number {
    let index = this.indexes.get(text);
    if (index === undefined) this.indexes.set(text, (index = this.indexes.size));
    return index;
  }

  *build(): Generator<void, Pick<CompactMap, 'texts' | 'textEnds'>> {
    const textEnds = new Uint32Array(this.indexes.size);
    let end = 0;
    for (const [text, index] of this.indexes) {
      if (index % SLICE === 0) yield;
      textEnds[index] = end += Buffer.byteLength(text) + 1;
    }
    return { texts: new TextEncoder().encode([...this.indexes.keys()].join('\n')), textEnds };
  }
}

function isPosition(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_POSITION;
}
