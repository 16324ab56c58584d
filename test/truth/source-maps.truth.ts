import { execFile } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { type DecodedProfile } from '../support/decoded-profile.js';
import { describeGo, goPprof, profileFile } from '../support/go.js';
import {
  appFile,
  type ProcessOptions,
  startWorkload,
  TestProcess,
  type Workload,
} from '../support/process.js';
import { atLeast, claim, sampledSize, share } from './claim.js';

/** Of the time that the application spends in each function. */
const SHARES = { hotA: 0.7, hotB: 0.3 };

/** 5,000 samples or so at 1000 Hz. */
const SECONDS = 7;

/** Where next to all is expected, which takes fewer samples to tell. */
const SHORT = 2;

/** What hot.ts holds: arrays of 32,768 elements of 8 bytes behind 16 bytes of header. */
const HELD = { count: 100, size: 32_768 * 8 + 16 };
const HEAP_RATE = 32_768;

/** As test/apps/typescript/build.mjs has them, each by one sampler, and the first by both. */
const BUILDS = [
  { build: 'tsc-esm', minified: false, sampler: 'pprof' },
  { build: 'tsc-esm', minified: false, sampler: 'inspector' },
  { build: 'tsc-inline', minified: false, sampler: 'inspector' },
  { build: 'tsc-root', minified: false, sampler: 'pprof' },
  { build: 'swc', minified: false, sampler: 'inspector' },
  { build: 'esbuild-esm', minified: false, sampler: 'inspector' },
  { build: 'esbuild-external', minified: false, sampler: 'pprof' },
  // All of a minified file is in one line, and pprof tells no columns to look up.
  { build: 'esbuild-min', minified: true, sampler: 'inspector' },
  { build: 'webpack', minified: true, sampler: 'inspector' },
];
const WITHOUT_COLUMNS = [
  { build: 'esbuild-min', sampler: 'pprof' },
  { build: 'webpack', sampler: 'pprof' },
];
const WITHOUT_A_MAP = [
  { build: 'no-map', sampler: 'pprof', title: 'without a map', env: {} },
  { build: 'broken-map', sampler: 'inspector', title: 'with a broken map', env: {} },
  { build: 'tsc-esm', sampler: 'pprof', title: 'with sourceMaps: false', env: { SOURCE_MAPS: 'off' } },
];
const ALL = [...new Set([...BUILDS, ...WITHOUT_COLUMNS, ...WITHOUT_A_MAP].map(({ build }) => build))];

const home = appFile('typescript/');
const hotFile = join(home, 'src/hot.ts');
const builtIn = (build: string): string => join(home, `built-truth-${process.pid}-${build}/`);
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
  readonly line: number;
}

/** The frames of each sample, leaf first, the number of samples of a CPU profile, and the last value. */
type Samples = readonly {
  readonly stack: readonly Frame[];
  readonly count: number;
  readonly value: number;
}[];

function samplesOf({ raw }: DecodedProfile): Samples {
  const text = (index: number | bigint): string => raw.stringTable.strings[Number(index)]!;
  const functions = new Map(raw.function.map((one) => [one.id, one]));
  const frames = new Map(
    raw.location.map(({ id, line: [line] }) => {
      const { name, filename } = functions.get(line!.functionId)!;
      return [id, { name: text(name), filename: text(filename), line: Number(line!.line) }];
    }),
  );
  return raw.sample.map(({ locationId, value }) => ({
    stack: locationId.map((id) => frames.get(id)!),
    count: Number(value[0]),
    value: Number(value.at(-1)),
  }));
}

/** The samples of the work that the application shares out. */
const workOf = (samples: Samples): Samples =>
  samples.filter(({ stack }) => stack.some(({ name }) => name === 'runOnce'));

const sumOf = (samples: Samples): number => samples.reduce((sum, { value }) => sum + value, 0);
const countOf = (samples: Samples): number => samples.reduce((sum, { count }) => sum + count, 0);

const anywhere = (samples: Samples, matches: (frame: Frame) => boolean): number =>
  sumOf(samples.filter(({ stack }) => stack.some(matches)));
const atLeaf = (samples: Samples, matches: (frame: Frame) => boolean): number =>
  sumOf(samples.filter(({ stack: [leaf] }) => matches(leaf!)));

beforeAll(async () => {
  for (const build of ALL) {
    await promisify(execFile)(process.execPath, [join(home, 'build.mjs'), build, builtIn(build)]);
  }
}, 300_000);
afterAll(() => {
  for (const build of ALL) rmSync(builtIn(build), { recursive: true, force: true });
});

describe.each(BUILDS)('the profiles of what $build built, by $sampler', ({ build, sampler, minified }) => {
  const subject = `${build} by ${sampler}`;
  let app: Workload;
  let bytes: Buffer;
  let work: Samples;
  let n: number;

  beforeAll(async () => {
    app = await startWorkload(mainOf(build), { env: { SAMPLER: sampler, MEM_RATE: `${HEAP_RATE}` } });
    const downloaded = await app.download(`profile?seconds=${SECONDS}&hz=1000`);
    bytes = downloaded.bytes;
    const all = samplesOf(downloaded.profile);
    work = workOf(all);
    n = countOf(work);
    // The rest is V8's: at 1000 Hz its sampling thread takes some 3 %, and more of a machine that has more to do.
    claim(
      `${subject}: the application's work is most of the profile`,
      sumOf(work) / sumOf(all),
      atLeast(0.5, n),
    );
  });
  afterAll(() => TestProcess.stopAll());

  it('gives each function in its source its share of the work', () => {
    for (const [name, part] of Object.entries(SHARES)) {
      const time = anywhere(work, (frame) => frame.name === name && frame.filename === hotFile);
      claim(`${subject}: ${name} in hot.ts has its share`, time / sumOf(work), share(part, n));
    }
  });

  it('has the time of each function at its line', () => {
    for (const [name, part] of Object.entries(SHARES)) {
      // Of a minified file the profiler does not tell the columns that were executing.
      const line = LINES[name]![minified ? 'begin' : 'hot'];
      const time = atLeaf(work, (frame) => frame.filename === hotFile && frame.line === line);
      claim(
        `${subject}: line ${line} of hot.ts has the share of ${name}`,
        time / sumOf(work),
        share(part, n),
      );
    }
  });

  it('shows what is held where the source allocates it', async () => {
    await app.post('hold');
    const begin = lineWith('export function hold(');
    const held = atHold(samplesOf(await app.profile('heap?gc=1')));
    const bound = sampledSize({ ...HELD, rate: HEAP_RATE, sampler });
    claim(`${subject}: 25 MB are held at line ${begin} of hot.ts`, held / (HELD.count * HELD.size), bound);

    function atHold(samples: Samples): number {
      return anywhere(
        samples,
        ({ name, filename, line }) => name === 'hold' && filename === hotFile && line === begin,
      );
    }
  });

  describeGo(`go tool pprof on what ${build} built, by ${sampler}`, () => {
    it('-list shows the time beside the source', async () => {
      const listed = await goPprof('-list', '^hotA$', profileFile(`${build}-${sampler}.pb.gz`, bytes));
      const line = LINES.hotA![minified ? 'begin' : 'hot'];
      const [, flat] = new RegExp(`^ *(\\d\\S*)s +\\S+ +${line}:`, 'm').exec(listed) ?? [];
      const measured = (Number(flat) * 1e9) / sumOf(work);
      claim(`${subject}: line ${line} in go tool pprof -list`, measured, share(SHARES.hotA, n));
    });
  });
});

describe.each(WITHOUT_COLUMNS)(
  'the CPU profile of what $build minified, by $sampler',
  ({ build, sampler }) => {
    afterAll(() => TestProcess.stopAll());

    it('has the time at the bundle', async () => {
      const work = await workOfShort(build, { SAMPLER: sampler });
      const bundle = join(builtIn(build), 'main.js');
      const part = atLeaf(work, ({ filename }) => filename === bundle) / sumOf(work);
      // What else the work calls is the clock.
      claim(
        `${build} by ${sampler}, which tells no columns: the time is at the bundle`,
        part,
        atLeast(0.9, countOf(work)),
      );
    });
  },
);

describe.each(WITHOUT_A_MAP)('the CPU profile of $build $title, by $sampler', (row) => {
  const { build, sampler, title, env } = row;
  afterAll(() => TestProcess.stopAll());

  it('has the time in the file that was built', async () => {
    const work = await workOfShort(build, { SAMPLER: sampler, ...env });
    const built = join(builtIn(build), 'hot.js');
    const part =
      anywhere(work, ({ name, filename }) => Object.hasOwn(SHARES, name) && filename === built) / sumOf(work);
    const words = `${build} by ${sampler}, ${title}: the time is in what was built`;
    claim(words, part, atLeast(0.9, countOf(work)));
  });
});

async function workOfShort(build: string, env: ProcessOptions['env']): Promise<Samples> {
  const app = await startWorkload(mainOf(build), { env });
  return workOf(samplesOf(await app.profile(`profile?seconds=${SHORT}&hz=1000`)));
}
