import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { statSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { encodedMappings, TraceMap } from '@jridgewell/trace-mapping';
import { build } from 'esbuild';
import fc from 'fast-check';
import type { LoadedScript, ScriptName } from '../../../sampling/loaded-scripts.js';
import type { RawFrame } from '../../../sampling/sampler.js';
import type { OriginalPlace } from './source-mapper.js';

/** What V8 has loaded that is not what is in the file, by the name of the script; how often it was asked. */
const loaded = new Map<string, LoadedScript | undefined>();
let asked = 0;
jest.unstable_mockModule('../../../sampling/loaded-scripts.js', () => ({
  mayTransformCode: () => false,
  loadedScripts(names: readonly ScriptName[]): (LoadedScript | undefined)[] {
    asked++;
    return names.map(({ url }) => (loaded.has(url) ? loaded.get(url) : asOnDisk(url)));
  },
}));
const { SourceMapper } = await import('./source-mapper.js');

function asOnDisk(url: string): LoadedScript | undefined {
  const path = url.startsWith('file:///') && url !== 'file:///%' ? fileURLToPath(url) : url;
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) return undefined;
  return { hash: sha256(readFileSync(path)), source: undefined };
}
const sha256 = (code: string | Buffer): string => createHash('sha256').update(code).digest('hex');

fc.configureGlobal({ seed: 1 }); // the same cases in every run

const directory = realpathSync(mkdtempSync(join(tmpdir(), 'nestjs-pprof-maps-')));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Writes a file below the test's directory. */
function write(name: string, text: string): string {
  const path = join(directory, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

interface Place {
  readonly line: number;
  readonly column: number;
}

/** Where a text stands in a file, from 1. */
function placeOf(path: string, text: string): Place {
  const before = readFileSync(path, 'utf8').split(text, 1)[0]!;
  return { line: before.split('\n').length, column: before.length - before.lastIndexOf('\n') };
}

/** V8's numbers of scripts. */
const ids: string[] = [];
function idOf(url: string): number {
  if (!ids.includes(url)) ids.push(url);
  return ids.indexOf(url) + 1;
}

/** As the inspector has it: V8 lets a function begin at its parameters. */
function frameByColumn(script: string, functionName: string, line?: number): RawFrame {
  const begin = placeOf(script, `${functionName}(`);
  return {
    functionName,
    url: script,
    scriptId: idOf(script),
    functionLine: begin.line,
    functionColumn: begin.column + functionName.length,
    line: line ?? begin.line,
  };
}

/** As the `pprof` sampler has it: a line, and no word on where the function begins. */
function frameByLine(url: string, line: number, functionName = 'hotA'): RawFrame {
  return { functionName, url, scriptId: idOf(url), functionLine: 0, functionColumn: 0, line };
}

async function mapped(frame: RawFrame, mapper = new SourceMapper({ sourceMaps: true })) {
  return (await mapper.load([frame]))(frame);
}

/** A script of one function in its third line, with a comment for its map. */
function script(name: string, comment: string): string {
  return write(name, `// built\n\nfunction hotA(e) { return e; }\n${comment}\n`);
}

/** A map that leads from that script's third line to line 40 of a source. */
const mapTo = (source: unknown, more: object = {}): string =>
  JSON.stringify({ version: 3, sources: [source], names: [], mappings: ';;AAuCA,SAAS', ...more });

const file = (filename: string): OriginalPlace => ({ filename, line: 40, startLine: 40 });

/** Builds `src/main.ts` once for each of these options, in one process. */
function tsc(...builds: readonly object[]): Promise<unknown> {
  const projects = builds.map((options, i) => {
    const compilerOptions = {
      target: 'es2022',
      module: 'nodenext',
      lib: ['es5'],
      rootDir: 'src',
      types: [],
      ...options,
    };
    return write(`tsconfig.${i}.json`, JSON.stringify({ compilerOptions, files: ['src/main.ts'] }));
  });
  const compiler = join(process.cwd(), 'node_modules/typescript/bin/tsc');
  return promisify(execFile)(process.execPath, [compiler, '--build', ...projects]);
}

describe('a script that a tool has built', () => {
  const MODULES = {
    'src/hot.ts': [
      ...Array.from({ length: 20 }, (_, i) => `/** Line ${i + 1} is gone in what is built. */`),
      'interface Gone { readonly seed: number }',
      'export function hotA({ seed }: Gone): number {',
      '  let sum = seed;',
      '  for (let i = 0; i < 10; i++) sum += i; // hot',
      '  return sum;',
      '}',
    ].join('\n'),
    'src/main.ts': [
      "import { hotA } from './hot.js';",
      'type Entry = () => void;',
      'export const main: Entry = () => void hotA({ seed: 1 });',
      'main();',
    ].join('\n'),
  };
  const source = join(directory, 'src/hot.ts');
  const declared = 22;
  const hot = 24;

  const bundle = (outfile: string, more: object): Promise<unknown> =>
    build({
      absWorkingDir: directory,
      entryPoints: ['src/main.ts'],
      bundle: true,
      sourcemap: true,
      platform: 'node',
      outfile,
      ...more,
    });

  beforeAll(async () => {
    for (const [name, text] of Object.entries(MODULES)) write(name, text);
    await Promise.all([
      tsc(
        { sourceMap: true, outDir: 'tsc' },
        { inlineSourceMap: true, outDir: 'tsc-inline' },
        { sourceMap: true, sourceRoot: join(directory, 'src'), outDir: 'far/from/src' },
      ),
      bundle('esbuild/main.mjs', { format: 'esm' }),
      bundle('esbuild/external.cjs', { sourcemap: 'external' }),
      bundle('esbuild/inline.cjs', { sourcemap: 'inline' }),
    ]);
    const swc = await import('@swc/core');
    const { code, map } = await swc.transformFile(source, {
      sourceMaps: true,
      module: { type: 'commonjs' },
      jsc: { parser: { syntax: 'typescript' } },
    });
    write('swc/hot.js', `${code}\n//# sourceMappingURL=hot.js.map`);
    write('swc/hot.js.map', map!);
  }, 60_000);

  it.each([
    ['tsc', 'tsc/hot.js'],
    ['tsc, its map inline', 'tsc-inline/hot.js'],
    ['tsc, with a sourceRoot', 'far/from/src/hot.js'],
    ['swc', 'swc/hot.js'],
    ['esbuild as a bundle', 'esbuild/main.mjs'],
    ['esbuild as a bundle that does not name its map', 'esbuild/external.cjs'],
    ['esbuild as a bundle, its map inline', 'esbuild/inline.cjs'],
  ])('by %s is shown as its source', async (_what, name) => {
    const built = join(directory, name);
    const { line } = placeOf(built, 'sum += i');
    expect(await mapped(frameByLine(built, line))).toEqual({ filename: source, line: hot, startLine: 0 });
    expect(await mapped(frameByLine(pathToFileURL(built).href, line))).toEqual({
      filename: source,
      line: hot,
      startLine: 0,
    });
    expect(await mapped(frameByColumn(built, 'hotA', line))).toEqual({
      filename: source,
      line: hot,
      startLine: declared,
    });
    expect(await mapped(frameByColumn(built, 'hotA'))).toEqual({
      filename: source,
      line: declared,
      startLine: declared,
    });
  });

  it('by a minifier has its functions, their names too, and no lines', async () => {
    await bundle('min/main.cjs', { minify: true });
    const built = join(directory, 'min/main.cjs');
    const code = readFileSync(built, 'utf8');
    const [, name] = /function (\w+)\(\{seed/.exec(code)!;
    expect(name).not.toBe('hotA');
    expect(await mapped({ ...frameByColumn(built, name!) })).toEqual({
      filename: source,
      line: declared,
      startLine: declared,
      functionName: 'hotA',
    });
    expect(await mapped(frameByLine(built, placeOf(built, `${name}(`).line, name))).toBeUndefined();
  });
});

const base64 = (map: string): string =>
  `data:application/json;charset=utf-8;base64,${Buffer.from(map).toString('base64')}`;

const sectionFrom = (line: number, source: string, from: string): object => ({
  offset: { line, column: 0 },
  map: { version: 3, sourceRoot: from, sources: [source], names: [], mappings: 'AAuCA' },
});

describe('the map of a script', () => {
  it.each([
    ['a file', '//# sourceMappingURL=a.map'],
    ['the old comment', '//@ sourceMappingURL=a.map'],
    ['a file in another directory', '//# sourceMappingURL=../comments/a.map'],
    ['a name with escapes', '//# sourceMappingURL=%61.map'],
    ['a file: URL', () => `//# sourceMappingURL=${pathToFileURL(join(directory, 'comments/a.map')).href}`],
    ['the last comment', '//# sourceMappingURL=b.map\n//# sourceMappingURL=a.map'],
    ['the last of one line', '//# sourceMappingURL=b.map //# sourceMappingURL=a.map'],
    ['a comment before others', '//# sourceMappingURL=a.map\n//# debugId=1\n'],
    ['a line that ends as on Windows', '//# sourceMappingURL=a.map \r'],
    ['a comment before words in a string', '//# sourceMappingURL=a.map\n"//# sourceMappingURL=b.map";'],
    ['a comment before words in a template', '//# sourceMappingURL=a.map\n`\n//# sourceMappingURL=${b}`;'],
    [
      'a comment before another one of another kind',
      '//# sourceMappingURL=a.map\n//! sourceMappingURL=b.map',
    ],
    ['a map in base64', `//# sourceMappingURL=${base64(mapTo('one.ts'))}`],
    [
      'a map with escapes',
      `//# sourceMappingURL=data:application/json,${encodeURIComponent(mapTo('one.ts'))}`,
    ],
  ])('is found by %s', async (what, comment) => {
    write('comments/a.map', mapTo('one.ts'));
    write('comments/b.map', mapTo('two.ts'));
    const path = script(
      `comments/${what.replaceAll(/\W/g, '-')}.js`,
      typeof comment === 'string' ? comment : comment(),
    );
    expect(await mapped(frameByLine(path, 3))).toEqual({
      ...file(join(directory, 'comments/one.ts')),
      startLine: 0,
    });
  });

  it.each([
    ['that is not there', '//# sourceMappingURL=missing.map'],
    ['on another machine', '//# sourceMappingURL=https://example.com/a.map'],
    ['on another host', '//# sourceMappingURL=file://example.com/a.map'],
    ['that is a directory', '//# sourceMappingURL=.'],
    ['in a URL that is no map', '//# sourceMappingURL=data:text/plain,hello'],
    ['in a URL without data', '//# sourceMappingURL=data:'],
    ['in a URL with broken escapes', '//# sourceMappingURL=data:application/json,%7B%'],
    ['in base64 that is none', '//# sourceMappingURL=data:application/json;base64,////'],
    ['that nothing names', ''],
  ])('leaves frames as they are if it is one %s', async (what, comment) => {
    const path = script(`nothing/${what.replaceAll(/\W/g, '-')}.js`, comment);
    expect(await mapped(frameByLine(path, 3))).toBeUndefined();
  });

  it('is looked for beside the script only if no comment names one', async () => {
    const path = script('beside/a.js', '//# sourceMappingURL=missing.map');
    write('beside/a.js.map', mapTo('one.ts'));
    expect(await mapped(frameByLine(path, 3))).toBeUndefined();
  });

  it('may be made of sections', async () => {
    const path = script('sections/a.js', '//# sourceMappingURL=a.js.map');
    write(
      'sections/a.js.map',
      JSON.stringify({
        version: 3,
        sections: [sectionFrom(0, 'one.ts', ''), sectionFrom(2, 'two.ts', 'lib')],
      }),
    );
    expect(await mapped(frameByLine(path, 1))).toEqual({
      ...file(join(directory, 'sections/one.ts')),
      startLine: 0,
    });
    expect(await mapped(frameByColumn(path, 'hotA'))).toEqual(file(join(directory, 'sections/lib/two.ts')));
  });

  it('may be large', async () => {
    const path = script('large/a.js', '//# sourceMappingURL=a.js.map');
    write('large/a.js.map', mapTo('one.ts', { sourcesContent: ['x'.repeat(1_000_000)] }));
    expect(await mapped(frameByColumn(path, 'hotA'))).toEqual(file(join(directory, 'large/one.ts')));
  });

  it('may be anything and does no harm', async () => {
    const path = script('any/a.js', '//# sourceMappingURL=a.js.map');
    const numbers = fc.oneof(fc.integer(), fc.double());
    const mapLike = fc.record(
      {
        version: fc.anything(),
        sources: fc.oneof(fc.array(fc.oneof(fc.string(), fc.anything())), fc.anything()),
        sourceRoot: fc.oneof(fc.string(), fc.anything()),
        names: fc.oneof(fc.array(fc.anything()), fc.anything()),
        mappings: fc.oneof(fc.string({ unit: fc.constantFrom(...'AACDg;,!9') }), fc.anything()),
        sections: fc.oneof(
          fc.array(fc.record({ offset: fc.record({ line: numbers, column: numbers }), map: fc.anything() })),
          fc.anything(),
        ),
      },
      { requiredKeys: [] },
    );
    const frames = [
      frameByLine(path, 1),
      frameByLine(path, 3),
      frameByColumn(path, 'hotA'),
      { ...frameByLine(path, 0), functionLine: -3, functionColumn: 2 ** 40 },
    ];
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.json(),
          fc.string(),
          mapLike.map((map) => JSON.stringify(map)),
        ),
        async (map) => {
          write('any/a.js.map', map);
          const places = await new SourceMapper({ sourceMaps: true }).load(frames);
          for (const frame of frames) expect(places(frame)?.filename).not.toBe('');
        },
      ),
    );
  });
});

async function filenameOf(source: unknown, more?: object): Promise<string | undefined> {
  const path = script('sources/dist/a.js', '//# sourceMappingURL=a.js.map');
  write('sources/dist/a.js.map', mapTo(source, more));
  return (await mapped(frameByLine(path, 3)))?.filename;
}

const at = (name: string): string => join(directory, 'sources', name);

describe('a source', () => {
  it('is relative to its map', async () => {
    expect(await filenameOf('../src/a.ts')).toBe(at('src/a.ts'));
    expect(await filenameOf('a.ts', { sourceRoot: '../lib/' })).toBe(at('lib/a.ts'));
    expect(await filenameOf('a.ts', { sourceRoot: '/app/src' })).toBe('/app/src/a.ts');
    expect(await filenameOf('a.ts', { sourceRoot: 'file:///app/src' })).toBe('/app/src/a.ts');
    expect(await filenameOf('/app/a.ts')).toBe('/app/a.ts');
    expect(await filenameOf('file:///app/a%20b.ts')).toBe('/app/a b.ts');
  });

  it('may have any name', async () => {
    expect(await filenameOf('../src/a b.ts')).toBe(at('src/a b.ts'));
    expect(await filenameOf('../src/größe-数.ts')).toBe(at('src/größe-数.ts'));
    expect(await filenameOf('../src/a%20b%C3%B6.ts')).toBe(at('src/a bö.ts'));
  });

  it('may have a name that the tool should have escaped', async () => {
    for (const name of ['100%.ts', '50%25.ts', 'c#.ts', 'what?.ts']) {
      const path = write(`sources/src/${name}`, '');
      expect(await filenameOf(`../src/${name}`)).toBe(path);
    }
  });

  it('is looked for above the script where webpack has named it', async () => {
    const path = write('sources/src/found.ts', '');
    expect(await filenameOf('webpack://the-app/./src/found.ts')).toBe(path);
    expect(await filenameOf('webpack:///./src/found.ts')).toBe(path);
    expect(await filenameOf('webpack:///src/found.ts')).toBe(path);
    expect(await filenameOf('webpack://@scope/app/./src/found.ts')).toBe(path);
    expect(await filenameOf('webpack://the-app/./src/found.ts?3a4b')).toBe(path);
    expect(await filenameOf('webpack://the-app/../src/found.ts')).toBe(path); // above dist/
    expect(await filenameOf(`webpack://the-app/${path}`)).toBe(path);
    expect(await filenameOf('webpack://the-app/./package.json')).toBe(join(process.cwd(), 'package.json'));
  });

  it('keeps the name that webpack gave it if it is not there', async () => {
    expect(await filenameOf('webpack://the-app/./src/gone.ts?3a4b')).toBe('src/gone.ts');
  });

  it('is missing for code that webpack generated', async () => {
    expect(await filenameOf('webpack://the-app/webpack/bootstrap')).toBeUndefined();
    expect(await filenameOf('webpack:///webpack/runtime/define property getters')).toBeUndefined();
    expect(await filenameOf('webpack://the-app/external commonjs "@nestjs/core"')).toBeUndefined();
  });

  it('of another scheme keeps its name', async () => {
    expect(await filenameOf('https://example.com/a.ts')).toBe('https://example.com/a.ts');
  });

  it.each([[null], [7], [''], ['file://example.com/a.ts'], ['a\0.ts']])('%p does no harm', async (source) => {
    expect(await filenameOf(source)).not.toBe('');
  });
});

const segments = (...lines: number[][][]): string =>
  encodedMappings(new TraceMap({ version: 3, sources: ['a', 'b'], names: [], mappings: lines as never }));

const twoSources = (mappings: string): string =>
  JSON.stringify({ version: 3, sources: ['/one.ts', '/two.ts'], names: [], mappings });

async function placeIn(mappings: string, frame: Partial<RawFrame>) {
  const path = script('frames/a.js', '//# sourceMappingURL=a.js.map');
  write('frames/a.js.map', twoSources(mappings));
  return mapped({ ...frameByColumn(path, 'hotA'), ...frame });
}

describe('a frame and its function', () => {
  it('are in one file: that of the line', async () => {
    const mappings = segments([[0, 1, 7, 0]], [], [[0, 0, 39, 0]]);
    expect(await placeIn(mappings, { line: 1 })).toEqual({ filename: '/two.ts', line: 8, startLine: 0 });
  });

  it('are in the source of the function, without a line, if the line of code is from several sources', async () => {
    const mappings = segments(
      [
        [0, 0, 1, 0],
        [9, 1, 7, 0],
      ],
      [],
      [
        [0, 1, 2, 0],
        [9, 0, 39, 0],
      ],
    );
    expect(await placeIn(mappings, { line: 1 })).toEqual({ filename: '/one.ts', line: 0, startLine: 40 });
    expect(await placeIn(mappings, {})).toEqual({ filename: '/one.ts', line: 40, startLine: 40 });
    expect(await placeIn(mappings, { functionLine: 0, functionColumn: 0 })).toBeUndefined();
  });

  it('are kept unchanged if the function has no source', async () => {
    const mappings = segments([], [], [[0], [20, 0, 39, 0]]);
    expect(await placeIn(mappings, {})).toBeUndefined();
  });
});

/** A script that V8 has loaded with a code that is not in its file. */
async function inMemory(name: string, code: string, { source = code }: { source?: string | undefined } = {}) {
  const path = write(`memory/${name}`, 'interface A {}\n\n\n\nfunction hotA(e: A) { return e; }\n');
  loaded.set(path, { hash: sha256(code), source });
  const frame = { ...frameByLine(path, 3), functionLine: 3, functionColumn: 14 };
  return { path, place: await mapped(frame) };
}

const COMPILED = '// compiled\n\nfunction hotA(e) { return e; }\n';
const inlineMap = (map: string): string => `//# sourceMappingURL=${base64(map)}\n`;
const noLine = (filename: string) => ({ filename, line: 0, startLine: 0 });

describe('code that is not in its file', () => {
  it.each(['hot.ts', 'hot.js', 'hot.tsx', 'hot.mts'])('has the lines of its own map in %s', async (name) => {
    const { path, place } = await inMemory(name, COMPILED + inlineMap(mapTo(name)));
    expect(place).toEqual(file(path));
  });

  it('has no line without its own map, even if there is a map next to the file', async () => {
    write('memory/none.ts.map', mapTo('none.ts'));
    const { path, place } = await inMemory('none.ts', COMPILED);
    expect(place).toEqual(noLine(path));
  });

  it('has no line if its map is broken or does not contain the line', async () => {
    for (const [name, map] of [
      ['broken.ts', '{'],
      ['empty.ts', mapTo('empty.ts', { mappings: '' })],
    ] as const) {
      const { path, place } = await inMemory(name, COMPILED + inlineMap(map));
      expect(place).toEqual(noLine(path));
    }
  });

  it('keeps its lines if it is the file without types, as Node makes it', async () => {
    const code = `              \n\n\n\nfunction hotA(e   ) { return e; }\n`;
    for (const end of ['', '\n\n//# sourceURL=/app/strip.ts'])
      expect((await inMemory('strip.ts', code + end)).place).toBeUndefined();
  });

  it('has no line where the file has been replaced since', async () => {
    const path = script('replaced/a.js', '//# sourceMappingURL=a.js.map');
    write('replaced/a.js.map', mapTo('one.ts'));
    loaded.set(path, { hash: sha256('the code of before'), source: undefined });
    expect(await mapped(frameByLine(path, 3))).toEqual(noLine(path));
  });

  it('has no line where the file has been replaced since and V8 does not tell', async () => {
    const path = script('forgotten/a.js', '//# sourceMappingURL=a.js.map');
    const frame = frameByLine(path, 3);
    loaded.set(path, undefined);
    expect(await mapped(frame)).toEqual(noLine(path));
  });
});

/** As in a call stack. */
const unnumbered = (url: string): RawFrame => ({ ...frameByLine(url, 3), scriptId: 0 });

describe('a frame whose script has no number', () => {
  it('is looked up by the name of its script', async () => {
    const path = script('unnumbered/a.js', '//# sourceMappingURL=a.js.map');
    write('unnumbered/a.js.map', mapTo('one.ts'));
    const other = script('unnumbered/b.js', '');
    const frames = [unnumbered(other), unnumbered(path)];
    const places = await new SourceMapper({ sourceMaps: true }).load(frames);
    expect(frames.map((frame) => places(frame)?.filename)).toEqual([
      undefined,
      join(directory, 'unnumbered/one.ts'),
    ]);
  });

  it('stays as it is if V8 knows no such script', async () => {
    expect(await mapped(unnumbered('/app/src/mail.ts'))).toBeUndefined();
  });
});

describe('SourceMapper', () => {
  it('passes over what is no script on disk', async () => {
    const frames = [
      '',
      'node:fs',
      'evalmachine.<anonymous>',
      'wasm://wasm/1',
      'file://host/a.js',
      'file:///%',
      '/no/such.js',
    ].map((url) => frameByLine(url, 1));
    const places = await new SourceMapper({ sourceMaps: true }).load(frames);
    expect(frames.map(places)).toEqual(frames.map(() => undefined));
  });

  it.each([['/dev/zero'], [directory]])('does not read %s', async (path) => {
    const frame = frameByLine(path, 1);
    expect(await mapped(frame)).toEqual({ filename: path, line: 0, startLine: 0 });
  });

  it('takes frames from any iterable, and none', async () => {
    const path = script('iterable/a.js', '//# sourceMappingURL=a.js.map');
    write('iterable/a.js.map', mapTo('one.ts'));
    const frame = frameByColumn(path, 'hotA');
    const mapper = new SourceMapper({ sourceMaps: true });
    const places = await mapper.load(
      (function* () {
        yield frame;
      })(),
    );
    expect(places(frame)).toEqual(file(join(directory, 'iterable/one.ts')));
    expect((await mapper.load([]))(frame)).toBeUndefined();
  });

  it('looks a frame up once, and what is running stays what was loaded', async () => {
    const path = script('once/a.js', '//# sourceMappingURL=a.js.map');
    write('once/a.js.map', mapTo('one.ts'));
    const mapper = new SourceMapper({ sourceMaps: true });
    const frame = frameByColumn(path, 'hotA');
    const before = asked;
    const loads = await Promise.all([mapper.load([frame]), mapper.load([frame])]);
    expect(asked - before).toBe(1);
    rmSync(path);
    rmSync(`${path}.map`);
    loads.push(await mapper.load([frame]));
    expect(loads.map((places) => places(frame))).toEqual(
      loads.map(() => file(join(directory, 'once/one.ts'))),
    );
  });

  it('takes a line that a file does not have for that of an inlined function of another file, and asks V8 nothing', async () => {
    const path = fileURLToPath(import.meta.resolve('ms')); // older than this process
    const frame = frameByColumn(path, 'parse', 9999);
    const { functionLine: line } = frame;
    const before = asked;
    expect(await mapped(frame)).toEqual({ filename: path, line, startLine: line });
    expect(await mapped(frameByColumn(path, 'parse', line + 1))).toBeUndefined(); // as it is
    expect(asked).toBe(before);
  });

  it('remembers that a script has no map', async () => {
    const path = script('never/a.js', '');
    const mapper = new SourceMapper({ sourceMaps: true });
    const frame = frameByColumn(path, 'hotA');
    await mapper.load([frame]);
    write('never/a.js.map', mapTo('one.ts'));
    expect(await mapped(frame, mapper)).toBeUndefined();
    expect(await mapped(frame)).toEqual(file(join(directory, 'never/one.ts')));
  });

  it('maps what one capture has in one go, whatever the cache can keep', async () => {
    const frames = Array.from({ length: 1100 }, (_, i) => {
      const path = script(
        `many/${i}.js`,
        `//# sourceMappingURL=data:application/json,${encodeURIComponent(mapTo(`${i}.ts`))}`,
      );
      return frameByColumn(path, 'hotA');
    });
    const places = await new SourceMapper({ sourceMaps: true }).load(frames);
    expect(frames.map((frame) => places(frame)?.filename)).toEqual(
      frames.map((_, i) => join(directory, `many/${i}.ts`)),
    );
  });

  it('keeps all frames unchanged if the option is off', async () => {
    const path = script('off/a.js', '//# sourceMappingURL=a.js.map');
    write('off/a.js.map', mapTo('one.ts'));
    expect(
      await mapped(frameByColumn(path, 'hotA'), new SourceMapper({ sourceMaps: false })),
    ).toBeUndefined();
  });
});
