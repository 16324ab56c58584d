import { AnyMap, decodedMappings, type SourceMapSegment } from '@jridgewell/trace-mapping';
import { GrowingArray } from '../../../format/growing-array.js';
import { type CompactMap, NONE, textTable } from './compact-map.js';
import { type RenamedFunction, renamedFunctions } from './renamed-functions.js';

/** Lines and columns that a profile, and these arrays, can hold. */
const MAX_POSITION = 0x7fff_ffff;

/**
 * How many lines of a source may be in one generated line so that its first one stands for it. A bundler folds a long
 * call into one line; a minifier folds a whole file, and then a line tells nothing.
 */
const MAX_FOLDED_LINES = 100;

/** Lines, or functions, between two yields. */
const SLICE = 64;

/** Segments of a line between two yields. */
const SEGMENTS = 1024;

/**
 * Reads a source map. The steps of the library that does it hold the event loop, in proportion to the map; what is made of
 * its result does not.
 *
 * @param code the script it belongs to
 * @throws Error if it is none
 */
export function* parseMap(map: string, code: string): Generator<void, CompactMap> {
  const json = JSON.parse(withoutGuard(map)) as ConstructorParameters<typeof AnyMap>[0];
  checkSections(json, code.split('\n').length);
  yield;
  const traced = new AnyMap(json);
  const mappings = decodedMappings(traced);
  yield;
  const builder = new CompactMapBuilder(textsOf(traced.resolvedSources), textsOf(traced.names));
  yield* builder.add(mappings);
  return yield* builder.build(code);
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

/** A map is what somebody wrote: there may be anything in it. */
function textsOf(list: readonly unknown[]): string[] {
  return list.map((entry) => (typeof entry === 'string' ? entry : ''));
}

class CompactMapBuilder {
  private readonly lines = GrowingArray.uint32();
  private readonly lineStart = GrowingArray.uint32();
  private readonly column = GrowingArray.uint32();
  private readonly source = GrowingArray.uint32();
  private readonly originalLine = GrowingArray.uint32();
  private readonly name = GrowingArray.uint32();

  constructor(
    private readonly sources: readonly string[],
    private readonly names: readonly string[],
  ) {}

  *add(mappings: readonly (readonly Readonly<SourceMapSegment>[])[]): Generator<void> {
    for (let line = 0; line < mappings.length; line++) {
      if (line % SLICE === SLICE - 1) yield;
      const segments = mappings[line]!;
      if (segments.length === 0) continue;
      this.lines.push(line);
      this.lineStart.push(this.column.length);
      for (let i = 0; i < segments.length; i++) {
        if (i % SEGMENTS === SEGMENTS - 1) yield;
        this.push(segments[i]!);
      }
    }
  }

  *build(code: string): Generator<void, CompactMap> {
    this.lineStart.push(this.column.length);
    const lines = yield* this.lines.toArray();
    const lineStart = yield* this.lineStart.toArray();
    const column = yield* this.column.toArray();
    const source = yield* this.source.toArray();
    const originalLine = yield* this.originalLine.toArray();
    const name = yield* this.name.toArray();
    const wholeLine = new Uint32Array(lines.length);
    yield;

    for (let at = 0; at < lines.length; at++) {
      if (at % SLICE === SLICE - 1) yield;
      const begin = lineStart[at]!;
      const end = lineStart[at + 1]!;
      wholeLine[at] = standsForAll(source, originalLine, begin, end);
    }

    const named = { lines, lineStart, column, name, names: this.names };
    const renamed: RenamedFunction[] = [];
    yield* renamedFunctions(named, code, renamed);
    return {
      lines,
      lineStart,
      wholeLine,
      column,
      source,
      originalLine,
      renamed: yield* tableOf(renamed),
      sources: yield* textTable(this.sources),
    };
  }

  private push([column, source, originalLine, , name]: Readonly<SourceMapSegment>): void {
    if (!isPosition(column)) throw new Error(`column ${column}`);
    const known = isPosition(originalLine) && !!this.sources[source!];
    this.column.push(column);
    this.source.push(known ? source! : NONE);
    this.originalLine.push(known ? originalLine : 0);
    this.name.push(known && name !== undefined && this.names[name] ? name : NONE);
  }
}

/** The first segment of a line that has a source, if the whole line is from there. */
function standsForAll(source: Uint32Array, originalLine: Uint32Array, begin: number, end: number): number {
  let first = NONE;
  let lowest = Infinity;
  let highest = 0;
  for (let i = begin; i < end; i++) {
    if (source[i] === NONE) continue;
    if (first === NONE) first = i;
    if (source[i] !== source[first]) return NONE;
    lowest = Math.min(lowest, originalLine[i]!);
    highest = Math.max(highest, originalLine[i]!);
  }
  return highest - lowest < MAX_FOLDED_LINES ? first : NONE;
}

function* tableOf(renamed: readonly RenamedFunction[]): Generator<void, CompactMap['renamed']> {
  const ids = new Map<string, number>();
  const idOf = (name: string): number => {
    const id = ids.get(name) ?? ids.size;
    ids.set(name, id);
    return id;
  };
  const count = renamed.length;
  const table = {
    line: new Uint32Array(count),
    column: new Uint32Array(count),
    from: new Uint32Array(count),
    to: new Uint32Array(count),
  };
  for (const [i, { line, column, from, to }] of renamed.entries()) {
    if (i % SLICE === SLICE - 1) yield;
    table.line[i] = line;
    table.column[i] = column;
    table.from[i] = idOf(from);
    table.to[i] = idOf(to);
  }
  return { ...table, names: yield* textTable([...ids.keys()]) };
}

function isPosition(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_POSITION;
}
