import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { inParallel } from '../support/async.js';
import { DecodedProfile } from '../support/decoded-profile.js';
import {
  appFile,
  linesWith,
  type ProcessOptions,
  startWorkload,
  TestProcess,
  type Workload,
} from '../support/process.js';

/** A rate at which V8 samples some 300 of the 20,000 objects that boot-work.cjs holds. */
const RATE = '65536';

/** CPU time in ms that boot-work.cjs takes: some 100 samples. */
const BURN_MS = '100';

const PRELOAD = ['--import', 'nestjs-pprof/preload'];

/** Where `pprof` is missing, the inspector samples. */
const WITHOUT_PPROF = ['--require', appFile('no-pprof.cjs'), ...PRELOAD];

const APPS = [
  { file: 'boot.mjs', sampler: 'pprof', flags: PRELOAD },
  { file: 'boot.cjs', sampler: 'inspector', flags: WITHOUT_PPROF },
];

const directory = mkdtempSync(join(tmpdir(), 'nestjs-pprof-preload-'));

afterAll(() => rmSync(directory, { recursive: true }));

describe('node --import nestjs-pprof/preload with an application', () => {
  /** What an application said until it ended. */
  interface Booted {
    readonly sampler: string;
    readonly heap: DecodedProfile;
    /** The CPU profile of the boot, and one that came later. */
    readonly boot: DecodedProfile;
    readonly next: DecodedProfile;
    readonly exitCode: number | null;
    readonly output: string;
  }
  let booted: readonly Booted[];

  beforeAll(async () => {
    booted = await Promise.all(
      APPS.map(async ({ file, sampler, flags }) => {
        const boot = join(directory, `${file}.pb.gz`);
        const env = {
          BURN_MS,
          MEM_RATE: RATE,
          NESTJS_PPROF_MEM_PROFILE_RATE: RATE,
          NESTJS_PPROF_BOOT_PROFILE: boot,
        };
        const app = await startWorkload(file, { flags, env });
        await app.process.printed(bootLine(boot));
        const [heap, next] = await Promise.all([app.profile('heap'), app.profile('profile?seconds=1')]);
        await app.post('close');
        const exitCode = await app.process.exited;
        const { output } = app.process;
        return { sampler, heap, boot: new DecodedProfile(readFileSync(boot)), next, exitCode, output };
      }),
    );
  });
  afterAll(() => TestProcess.stopAll());

  it('heap shows what was allocated while the application was loaded', () => {
    for (const { sampler, heap, output } of booted) {
      expect(heap.flat('inuse_space', 'holdAtBoot')).toBeGreaterThan(0);
      expect(heap.comments[0]).toContain(`sampled by ${sampler}, every ${RATE} bytes`);
      expect(output).not.toMatch(/WARN|ERROR/);
    }
  });

  it('the CPU profile of the boot is written when the application has bootstrapped', () => {
    for (const { sampler, boot, output } of booted) {
      expect(boot.cumulative('cpu', 'burnAtBoot')).toBeGreaterThan(0);
      expect(boot.comments[0]).toBe(`CPU samples of the main thread by ${sampler} at 1000 Hz`);
      expect(linesWith(output, 'CPU profile of the boot')).toHaveLength(1);
    }
  });

  it('the next CPU profile works, and the process ends by itself', () => {
    for (const { next, exitCode } of booted) {
      expect(next.cumulative('cpu', 'burnAtBoot')).toBe(0);
      expect(exitCode).toBe(0);
    }
  });
});

describe('an application started with --import nestjs-pprof/preload', () => {
  let period: number;
  let output: string;
  let exitCode: number | null;
  beforeAll(async () => {
    const boot = join(directory, 'not-there', 'boot.pb.gz');
    // An empty rate is as good as none.
    const env = {
      BURN_MS,
      MEM_RATE: RATE,
      NESTJS_PPROF_BOOT_PROFILE: boot,
      NESTJS_PPROF_MEM_PROFILE_RATE: '',
    };
    const app = await startWorkload('boot.mjs', { flags: PRELOAD, env });
    await app.process.printed(/ERROR .*\n/);
    ({ period } = await app.profile('heap'));
    await app.profile('profile?seconds=1'); // the sampler is free
    await app.post('close');
    exitCode = await app.process.exited;
    ({ output } = app.process);
  });
  afterEach(() => TestProcess.stopAll());

  it('and NESTJS_PPROF_MEM_PROFILE_RATE=0 is sampled from the creation of the module, at memProfileRate', async () => {
    const app = await startWorkload('boot.mjs', {
      flags: PRELOAD,
      env: { BURN_MS, MEM_RATE: RATE, NESTJS_PPROF_MEM_PROFILE_RATE: '0' },
    });
    expect(await heldAtBoot(app)).toBe(0);
    expect((await app.profile('heap')).period).toBe(Number(RATE));
  });

  it('is sampled every 512 KiB by default, and logs that memProfileRate has no effect', () => {
    expect(period).toBe(524_288);
    expect(linesWith(output, 'WARN')).toEqual([
      expect.stringContaining(
        `memProfileRate ${RATE} has no effect: V8's one heap sampler runs at 524288 already`,
      ),
    ]);
  });

  it('runs on where the CPU profile of its boot cannot be written, and logs one error', () => {
    expect(exitCode).toBe(0);
    expect(linesWith(output, 'ERROR')).toEqual([
      expect.stringContaining(
        '[PprofModule] The CPU profile of the boot could not be written: ENOENT: no such file or directory',
      ),
    ]);
  });
});

describe('node --import nestjs-pprof/preload with a program without Nest', () => {
  afterEach(() => TestProcess.stopAll());

  it('the CPU profile is written when the program ends, as .cpuprofile too, and a worker thread writes none', () =>
    inParallel(
      [
        { extension: 'pb.gz', flags: PRELOAD },
        { extension: 'cpuprofile', flags: WITHOUT_PPROF },
      ],
      async ({ extension, flags }) => {
        const boot = join(directory, `without-nest.${extension}`);
        const program = run(flags, { NESTJS_PPROF_BOOT_PROFILE: boot });
        expect(await program.exited).toBe(0);
        expect(program.output).toContain('done\n');
        expect(program.output.match(new RegExp(bootLine(boot), 'g'))).toHaveLength(1);
        expect(linesWith(program.output, 'CPU profile of the boot')).toHaveLength(1);
        const names = functionsIn(boot);
        expect(names).toContain('burnAtBoot');
        expect(names).not.toContain('burnInWorker');
      },
    ));

  it('nothing is written or printed where no profile of the boot is asked for', async () => {
    const before = readdirSync(directory);
    const program = run(PRELOAD, { NESTJS_PPROF_MEM_PROFILE_RATE: '' }); // as if it were not set
    expect(await program.exited).toBe(0);
    expect(program.output).toBe('done\n');
    expect(readdirSync(directory)).toEqual(before);
  });

  it('an invalid NESTJS_PPROF_MEM_PROFILE_RATE ends the program at once with one line', () =>
    inParallel(['512k', '-1', '2147483648'], async (rate) => {
      const program = run(PRELOAD, { NESTJS_PPROF_MEM_PROFILE_RATE: rate });
      expect(await program.exited).toBe(1);
      expect(program.output).toBe(
        `NESTJS_PPROF_MEM_PROFILE_RATE is "${rate}": it takes a whole number of bytes, or 0 for no heap sampling\n`,
      );
    }));
});

function run(flags: readonly string[], env: ProcessOptions['env']): TestProcess {
  return new TestProcess(process.execPath, [...flags, appFile('boot-without-nest.mjs')], { BURN_MS, ...env });
}

const bootLine = (file: string): RegExp =>
  new RegExp(`LOG \\[PprofModule\\] CPU profile of the boot: ${file}\n`);

/** In bytes. */
async function heldAtBoot(app: Workload): Promise<number> {
  return (await app.profile('heap?gc=1')).cumulative('inuse_space', 'holdAtBoot');
}

/** Names of the functions that were sampled, by a profile in either format. */
function functionsIn(file: string): readonly string[] {
  const bytes = readFileSync(file);
  if (file.endsWith('.pb.gz')) return new DecodedProfile(bytes).samples.flatMap(({ stack }) => stack);
  const { nodes } = JSON.parse(bytes.toString()) as { nodes: { callFrame: { functionName: string } }[] };
  return nodes.map(({ callFrame }) => callFrame.functionName);
}
