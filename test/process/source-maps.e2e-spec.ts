import { execFile } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../support/async.js';
import type { DecodedProfile } from '../support/decoded-profile.js';
import { describeGo, goPprof, profileFile } from '../support/go.js';
import { appFile, startWorkload, TestProcess, type Workload } from '../support/process.js';

const home = appFile('typescript/');
const hotFile = join(home, 'src/hot.ts');
const source = readFileSync(hotFile, 'utf8');
const builtIn = (build: string): string => join(home, `built-${process.pid}-${build}`);

/** The line of hot.ts that has a text. */
const lineWith = (text: string): number => source.split(text, 1)[0]!.split('\n').length;

/** A way to have TypeScript run. */
interface Row {
  readonly build: string;
  readonly sampler: string;
  /** Where hotA has its samples. */
  readonly line: number;
}

/**
 * Maps are read by a worker thread, which the ES module and the CommonJS build of the package start in ways of their own. All
 * code of a minified file is in one line, of which V8 does not tell the columns that were executing.
 */
const ROWS: readonly Row[] = [
  { build: 'large-map-esm', sampler: 'pprof', line: lineWith('// hot A') },
  { build: 'esbuild-min', sampler: 'inspector', line: lineWith('export function hotA(') },
  { build: 'in-memory', sampler: 'inspector', line: lineWith('// hot A') },
];
const REPLACED = 'swc';
const BUILDS = [...ROWS.map(({ build }) => build), REPLACED];

beforeAll(async () => {
  await Promise.all(
    BUILDS.map((build) =>
      promisify(execFile)(process.execPath, [join(home, 'build.mjs'), build, builtIn(build)]),
    ),
  );
});
afterAll(() => {
  for (const build of BUILDS) rmSync(builtIn(build), { recursive: true, force: true });
});

const programIn = (build: string): string => `typescript/${basename(builtIn(build))}/main.js`;

describe.each(ROWS)('TypeScript built by $build, sampled by $sampler', ({ build, sampler, line }) => {
  let app: Workload;
  let cpu: { bytes: Buffer; profile: DecodedProfile };
  let heap: DecodedProfile;

  beforeAll(async () => {
    app = await startWorkload(programIn(build), { env: { SAMPLER: sampler } });
    await app.post('hold');
    cpu = await until(
      () => app.download('profile?seconds=1&hz=1000'),
      ({ profile }) => [`hotA at line ${line}`].filter(() => !linesOf(profile, 'hotA').includes(line)),
    );
    heap = await app.profile('heap');
  });
  afterAll(() => TestProcess.stopAll());

  it('profile shows functions in their .ts file, and none in what was built', () => {
    const files = ['hotA', 'hotB'].flatMap((name) => filesOf(cpu.profile, name));
    expect([...new Set(files)]).toEqual([hotFile]);
    expect(linesOf(cpu.profile, 'hotA').filter((at) => !isInHotA(at))).toEqual([]);
  });

  it('heap shows what is held at the line where its function begins in its .ts file', () => {
    expect([...new Set(filesOf(heap, 'hold'))]).toEqual([hotFile]);
    expect([...new Set(linesOf(heap, 'hold'))]).toEqual([lineWith('export function hold(')]);
  });

  it('maps are read by threads of their own, which end', async () => {
    const started = app.process.output.match(/a thread has started/g) ?? [];
    expect(started.length).toBeGreaterThan(0);
    await app.process.printed(new RegExp(`(a thread has ended[^]*){${started.length}}`));
  });

  describeGo(`go tool pprof on ${build}`, () => {
    it('-list shows the source', async () => {
      const listed = await goPprof('-list', '^hotA$', profileFile(`${build}.pb.gz`, cpu.bytes));
      expect(listed).toContain(`in ${hotFile}\n`);
      expect(listed).toMatch(new RegExp(`^ +\\d\\S*s? +\\S+ +${line}:`, 'm'));
      expect(listed).toContain('sum = (sum * 31 + i) | 0; // hot A');
    });

    it('-weblist shows the source', async () => {
      const file = profileFile(`${build}.pb.gz`, cpu.bytes);
      await goPprof('-weblist', '^hotA$', '-output', `${file}.html`, file);
      const page = readFileSync(`${file}.html`, 'utf8');
      expect(page).toContain(hotFile);
      expect(page).toContain('// hot A');
    });
  });
});

describe('TypeScript of which what was built is replaced while it runs', () => {
  let app: Workload;
  const hot = join(builtIn(REPLACED), 'hot.js');

  beforeAll(async () => {
    app = await startWorkload(programIn(REPLACED), { env: { SAMPLER: 'inspector' } });
    writeFileSync(hot, `// A later build.\n${readFileSync(hot, 'utf8')}`);
    await app.post('hold');
  });
  afterAll(() => TestProcess.stopAll());

  it.each([
    ['profile?seconds=1&hz=1000', 'hotA'],
    ['heap', 'hold'],
  ])('%s shows its functions without a line, and says so', async (path, name) => {
    const profile = await until(
      () => app.profile(path),
      (found) => [name].filter(() => placesOf(found, name).length === 0),
    );
    expect(new Set(placesOf(profile, name).map(({ file, line }) => `${file}:${line}`))).toEqual(
      new Set([`${hot}:0`]),
    );
    expect(profile.comments).toContainEqual(expect.stringContaining(`no lines for some frames in ${hot}`));
  });
});

/** Whether a line of hot.ts is one of hotA. */
const isInHotA = (at: number): boolean =>
  at >= lineWith('export function hotA(') && at <= lineWith('// hot A') + 2;

const placesOf = ({ places }: DecodedProfile, name: string): DecodedProfile['places'] =>
  places.filter((place) => place.name === name);

const filesOf = (profile: DecodedProfile, name: string): string[] =>
  placesOf(profile, name).map(({ file }) => file);

const linesOf = (profile: DecodedProfile, name: string): number[] =>
  placesOf(profile, name).map(({ line }) => line);
