import { execFile } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
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

/**
 * A large map is read by a worker thread, which the ES module and the CommonJS build of the package start in ways of
 * their own. All code of a minified file is in one line, of which V8 does not tell the columns that were executing.
 */
const ROWS = [
  { build: 'large-map-esm', sampler: 'pprof', line: lineWith('// hot A'), threads: 1 },
  { build: 'large-map', sampler: 'inspector', line: lineWith('// hot A'), threads: 1 },
  { build: 'esbuild-min', sampler: 'inspector', line: lineWith('export function hotA('), threads: 0 },
];

beforeAll(async () => {
  await Promise.all(
    ROWS.map(({ build }) =>
      promisify(execFile)(process.execPath, [join(home, 'build.mjs'), build, builtIn(build)]),
    ),
  );
});
afterAll(() => {
  for (const { build } of ROWS) rmSync(builtIn(build), { recursive: true, force: true });
});

describe.each(ROWS)(
  'TypeScript built by $build, sampled by $sampler',
  ({ build, sampler, line, threads }) => {
    let app: Workload;
    let cpu: { bytes: Buffer; profile: DecodedProfile };
    let heap: DecodedProfile;

    beforeAll(async () => {
      const file = `typescript/${basename(builtIn(build))}/main.js`;
      app = await startWorkload(file, { env: { SAMPLER: sampler } });
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

    it('a map is read once for both profiles, by a thread of its own if it is large, which ends', async () => {
      await app.process.printed(new RegExp(`(a thread has ended[^]*){${threads}}`));
      expect(app.process.output.match(/a thread has started/g) ?? []).toHaveLength(threads);
    });

    describeGo(`go tool pprof on what ${build} built`, () => {
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
  },
);

/** Whether a line of hot.ts is one of hotA. */
const isInHotA = (at: number): boolean =>
  at >= lineWith('export function hotA(') && at <= lineWith('// hot A') + 2;

const placesOf = ({ places }: DecodedProfile, name: string): DecodedProfile['places'] =>
  places.filter((place) => place.name === name);

const filesOf = (profile: DecodedProfile, name: string): string[] =>
  placesOf(profile, name).map(({ file }) => file);

const linesOf = (profile: DecodedProfile, name: string): number[] =>
  placesOf(profile, name).map(({ line }) => line);
