import { execFile } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { describeGo, goPprof, profileFile } from '../support/go.js';
import { type DecodedProfile } from '../support/decoded-profile.js';
import { appFile, startWorkload, TestProcess, type Workload } from '../support/process.js';

/** Share of the time in percent that the application spends in each function. */
const SHARES = { hotA: 70, hotB: 30 };
const TOLERANCE = 3;

/** 4,500 samples at 1000 Hz, and enough of them on a machine that has more to do. */
const SECONDS = 8;
const MIN_SAMPLES = 3000;

const SAMPLERS = ['pprof', 'inspector'];

/** As test/apps/typescript/build.mjs has them. */
const ALL_BUILDS = [
  { build: 'tsc-esm', minified: false },
  { build: 'tsc-inline', minified: false },
  { build: 'tsc-root', minified: false },
  { build: 'swc', minified: false },
  { build: 'esbuild-esm', minified: false },
  { build: 'esbuild-external', minified: false },
  { build: 'esbuild-min', minified: true },
  { build: 'webpack', minified: true },
];
/** `npm test` takes all; CI's other versions of Node and Nest those that differ by them. */
const IN_EVERY_CELL = new Set(['tsc-esm', 'tsc-inline', 'esbuild-esm', 'esbuild-min']);
const BUILDS = process.env.MATRIX_CELL
  ? ALL_BUILDS.filter(({ build }) => IN_EVERY_CELL.has(build))
  : ALL_BUILDS;
const WITH_A_LARGE_MAP = ['large-map', 'large-map-esm'];
const WITHOUT_A_MAP = ['no-map', 'broken-map'];
const ALL = [...BUILDS.map(({ build }) => build), ...WITH_A_LARGE_MAP, ...WITHOUT_A_MAP];

const home = appFile('typescript/');
const sources = join(home, 'src/');
const hotFile = join(sources, 'hot.ts');
const builtIn = (build: string): string => join(home, `built-${process.pid}-${build}/`);
const mainOf = (build: string): string => `typescript/${basename(builtIn(build))}/main.js`;

/** The line of hot.ts that has a text. */
function lineWith(text: string): number {
  return readFileSync(hotFile, 'utf8').split(text, 1)[0]!.split('\n').length;
}
const LINES: Readonly<Record<string, { readonly begin: number; readonly hot: number }>> = {
  hotA: { begin: lineWith('export function hotA('), hot: lineWith('// hot A') },
  hotB: { begin: lineWith('export const hotB ='), hot: lineWith('// hot B') },
};

interface Frame {
  readonly name: string;
  readonly filename: string;
  readonly startLine: number;
  readonly line: number;
}

/** The frames of each sample, leaf first, and its last value. */
function samplesOf({ raw }: DecodedProfile): Samples {
  const text = (index: number | bigint): string => raw.stringTable.strings[Number(index)]!;
  const functions = new Map(raw.function.map((one) => [one.id, one]));
  const frames = new Map(
    raw.location.map(({ id, line: [line] }) => {
      const { name, filename, startLine } = functions.get(line!.functionId)!;
      return [
        id,
        {
          name: text(name),
          filename: text(filename),
          startLine: Number(startLine),
          line: Number(line!.line),
        },
      ];
    }),
  );
  return raw.sample.map(({ locationId, value }) => ({
    stack: locationId.map((id) => frames.get(id)!),
    value: Number(value.at(-1)),
  }));
}

type Samples = readonly { readonly stack: readonly Frame[]; readonly value: number }[];

/** What the jobs took, without the little that others did. */
function workOf(profile: DecodedProfile): Samples {
  const samples = samplesOf(profile);
  const work = samples.filter(({ stack }) => stack.some(({ name }) => name === 'runOnce'));
  expect(sumOf(work) / sumOf(samples)).toBeGreaterThan(0.5);
  return work;
}

function sumOf(samples: Samples): number {
  return samples.reduce((sum, { value }) => sum + value, 0);
}

/** The share in percent of the samples that have such a frame: anywhere, or as their leaf. */
function shareOf(
  samples: Samples,
  where: 'anywhere' | 'at the leaf',
  matches: (frame: Frame) => boolean,
): number {
  const matching = samples.filter(({ stack }) =>
    (where === 'anywhere' ? stack : stack.slice(0, 1)).some(matches),
  );
  return (100 * sumOf(matching)) / sumOf(samples);
}

/** The files of the application's own frames. */
function filesIn(profile: DecodedProfile): Set<string> {
  const files = samplesOf(profile).flatMap(({ stack }) => stack.map(({ filename }) => filename));
  return new Set(
    files.filter((file) => file.startsWith(home) || !file.startsWith('/')).filter(isNoPartOfNode),
  );
}
const isNoPartOfNode = (file: string): boolean => file !== '' && !file.startsWith('node:');

async function buildAll(): Promise<void> {
  const builder = join(home, 'build.mjs');
  for (const build of ALL) {
    await promisify(execFile)(process.execPath, [builder, build, dirname(join(builtIn(build), 'main.js'))]);
  }
}

beforeAll(buildAll, 120_000);
afterAll(() => {
  for (const build of ALL) {
    rmSync(builtIn(build), { recursive: true, force: true });
  }
});

const matrix = SAMPLERS.flatMap((sampler) => BUILDS.map((build) => ({ sampler, ...build })));
const hasColumns = ({ sampler, minified }: { sampler: string; minified: boolean }): boolean =>
  sampler === 'inspector' || !minified;

describe.each(matrix.filter(hasColumns))(
  'the CPU profile of what $build built, by $sampler',
  ({ build, sampler, minified }) => {
    let bytes: Buffer;
    let profile: DecodedProfile;

    beforeAll(async () => {
      const app = await startWorkload(mainOf(build), { env: { SAMPLER: sampler } });
      ({ bytes, profile } = await app.download(`profile?seconds=${SECONDS}&hz=1000`));
    });
    afterAll(() => TestProcess.stopAll());

    it('has enough samples to tell shares', () => {
      expect(profile.total('samples')).toBeGreaterThan(MIN_SAMPLES);
    });

    it.each(Object.entries(SHARES))('gives %s in its source its share of %d %%', (name, share) => {
      const measured = shareOf(
        workOf(profile),
        'anywhere',
        (frame) => frame.name === name && frame.filename === hotFile,
      );
      expect(Math.abs(measured - share)).toBeLessThan(TOLERANCE);
    });

    it.each(Object.entries(SHARES))('has the time of %s at its line', (name, share) => {
      // All of a minified file is in one line, of which the profiler does not tell the columns that were executing.
      const { begin, hot } = LINES[name]!;
      const line = minified ? begin : hot;
      const measured = shareOf(
        workOf(profile),
        'at the leaf',
        (frame) => frame.filename === hotFile && frame.line === line,
      );
      expect(Math.abs(measured - share)).toBeLessThan(TOLERANCE);
    });

    it('says where the functions begin, if the sampler does', () => {
      const begins = workOf(profile)
        .map(({ stack: [leaf] }) => leaf!)
        .filter(({ filename }) => filename === hotFile)
        .map(({ name, startLine }) => [name, startLine] as const);
      const known = sampler === 'inspector';
      expect(Object.fromEntries(begins)).toEqual({
        hotA: known ? LINES.hotA!.begin : 0,
        hotB: known ? LINES.hotB!.begin : 0,
      });
    });

    it('shows files that are there, and none that was built', () => {
      const files = [...filesIn(profile)];
      expect(files).toContain(hotFile);
      expect(files.filter((file) => !existsSync(file) || !file.startsWith(sources))).toEqual([]);
    });

    describeGo(`go tool pprof on what ${build} built, by ${sampler}`, () => {
      let path: string;
      beforeAll(() => {
        path = profileFile(`${build}-${sampler}.pb.gz`, bytes);
      });

      it('-list shows the source with the time beside it', async () => {
        const listed = await goPprof('-list', '^hotA$', path);
        expect(listed).toContain(`in ${hotFile}\n`);
        const { begin, hot } = LINES.hotA!;
        const [, flat] =
          new RegExp(`^ *(\\d\\S*)s +\\S+ +${minified ? begin : hot}:`, 'm').exec(listed) ?? [];
        expect(Number(flat)).toBeGreaterThan((0.5 * profile.total('cpu')) / 1e9);
        expect(listed).toContain(readFileSync(hotFile, 'utf8').split('\n')[hot - 1]!.trim());
      });

      it('-weblist shows the source', async () => {
        const html = `${path}.html`;
        await goPprof('-weblist', '^hotA$', '-output', html, path);
        const page = readFileSync(html, 'utf8');
        expect(page).toContain(hotFile);
        expect(page).toContain('// hot A');
      });
    });
  },
);

describe.each(matrix.filter((row) => !hasColumns(row)))(
  'the CPU profile of what $build built, by $sampler, which has no columns to look up',
  ({ build, sampler }) => {
    afterAll(() => TestProcess.stopAll());

    it('shows the bundle, and claims nothing', async () => {
      const app = await startWorkload(mainOf(build), { env: { SAMPLER: sampler } });
      const profile = await app.profile(`profile?seconds=1&hz=1000`);
      const bundle = join(builtIn(build), 'main.js');
      expect([...filesIn(profile)]).toEqual([bundle]);
      expect(shareOf(workOf(profile), 'at the leaf', ({ filename }) => filename === bundle)).toBeGreaterThan(
        90,
      );
    });
  },
);

describe.each(matrix)('the heap profile of what $build built, by $sampler', ({ build, sampler }) => {
  afterAll(() => TestProcess.stopAll());

  it('shows what is held where the source allocates it', async () => {
    const app = await startWorkload(mainOf(build), { env: { SAMPLER: sampler } });
    await app.post('hold');
    const profile = await app.profile('heap?gc=1');
    const begin = lineWith('export function hold(');
    const measured = shareOf(
      samplesOf(profile),
      'anywhere',
      ({ name, filename, line, startLine }) =>
        name === 'hold' && filename === hotFile && line === begin && startLine === begin,
    );
    expect(measured).toBeGreaterThan(50);
    expect([...filesIn(profile)].filter((file) => file.endsWith('hot.js'))).toEqual([]);
  });
});

describe.each(WITH_A_LARGE_MAP)('a map that is large: %s', (build) => {
  afterAll(() => TestProcess.stopAll());

  it('is read by a thread of its own, once', async () => {
    const app = await startWorkload(mainOf(build));
    for (let i = 0; i < 2; i++) {
      const profile = await app.profile('profile?seconds=1&hz=1000');
      expect([...filesIn(profile)]).toEqual([hotFile]);
    }
    expect(app.process.output.match(/a thread has started/g)).toHaveLength(1);
  });
});

describe.each(SAMPLERS)('without a map a CPU profile by %s', (sampler) => {
  afterEach(() => TestProcess.stopAll());

  async function filesOf(build: string, env: object = {}): Promise<string[]> {
    const app: Workload = await startWorkload(mainOf(build), { env: { SAMPLER: sampler, ...env } });
    const profile = await app.profile('profile?seconds=1&hz=1000');
    expect(shareOf(workOf(profile), 'anywhere', ({ name }) => Object.hasOwn(SHARES, name))).toBeGreaterThan(
      90,
    );
    return [...filesIn(profile)];
  }

  it.each(WITHOUT_A_MAP)('shows what was built: %s', async (build) => {
    expect(await filesOf(build)).toEqual([join(builtIn(build), 'hot.js')]);
  });

  it('shows what was built: sourceMaps: false', async () => {
    expect(await filesOf('tsc-esm', { SOURCE_MAPS: 'off' })).toEqual([join(builtIn('tsc-esm'), 'hot.js')]);
  });
});
