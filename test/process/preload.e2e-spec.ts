import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { inParallel } from '../support/async.js';
import { DecodedProfile } from '../support/decoded-profile.js';
import { appFile, linesWith, startWorkload, TestProcess, type Workload } from '../support/process.js';

/** A rate at which V8 samples some 300 of the 20,000 objects that boot-work.cjs holds. */
const RATE = '65536';

/** CPU time in ms that boot-work.cjs takes: some 100 samples. */
const BURN_MS = '100';

const PRELOAD = ['--import', 'nestjs-pprof/preload'];

/** By this all programs are started with it: npm, what npm starts, and what that starts. */
const NODE_OPTIONS = PRELOAD.join(' ');

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
    readonly threads: DecodedProfile;
    /** The CPU profile of the boot, and one that came later. */
    readonly boot: DecodedProfile;
    readonly next: DecodedProfile;
    readonly exitCode: number | null;
    readonly output: string;
    readonly stderr: string;
  }
  let booted: readonly Booted[];
  /** The applications boot at the same time with this name, and a file of an earlier run has it. */
  const named = join(directory, 'boot.pb.gz');

  beforeAll(async () => {
    writeFileSync(named, 'of an earlier run');
    utimesSync(named, 1, 1);
    booted = await Promise.all(
      APPS.map(async ({ file, sampler, flags }) => {
        const env = {
          BURN_MS,
          MEM_RATE: RATE,
          NESTJS_PPROF_MEM_PROFILE_RATE: RATE,
          NESTJS_PPROF_BOOT_PROFILE: named,
        };
        const app = await startWorkload(file, { flags, env });
        const [, boot] = await app.process.printed(BOOT_LINE);
        const asked = ['heap', 'threadcreate', 'profile?seconds=1'].map((path) => app.profile(path));
        const [heap, threads, next] = await Promise.all(asked);
        await app.post('close');
        const exitCode = await app.process.exited;
        const { output, stderr } = app.process;
        return {
          sampler,
          heap: heap!,
          threads: threads!,
          boot: new DecodedProfile(readFileSync(boot!)),
          next: next!,
          exitCode,
          output,
          stderr,
        };
      }),
    );
  });
  afterAll(() => TestProcess.stopAll());

  it('threadcreate knows of a worker thread that was created while the application was loaded', () => {
    for (const { threads } of booted) expect(threads.comments[0]).toMatch(/: 1 created, 1 ended$/);
  });

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

  it('one of two that boot at the same time has its pid in the name of the file, and stderr says where both are', () => {
    const files = booted.map(({ stderr }) => BOOT_LINE.exec(stderr)?.[1]);
    expect(files.toSorted()).toEqual([expect.stringMatching(/\/boot\.\d+\.pb\.gz$/), named]);
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
    const boot = join(directory, 'not-there', 'boot-%p.pb.gz');
    // An empty rate is as good as none.
    const env = {
      BURN_MS,
      MEM_RATE: RATE,
      NESTJS_PPROF_BOOT_PROFILE: boot,
      NESTJS_PPROF_MEM_PROFILE_RATE: '',
    };
    const app = await startWorkload('boot.mjs', { flags: PRELOAD, env });
    await app.process.printed(/could not be written.*\n/);
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
        `memProfileRate ${RATE} has no effect: V8 has one heap sampler, which already runs with rate 524288`,
      ),
    ]);
  });

  it('runs on where the CPU profile of its boot cannot be written, and says so with the pid for %p', () => {
    expect(exitCode).toBe(0);
    expect(linesWith(output, 'CPU profile of the boot')).toEqual([
      expect.stringMatching(
        /^\[PprofModule\] The CPU profile of the boot could not be written: ENOENT: .*\/boot-\d+\.pb\.gz'$/,
      ),
    ]);
  });

  it('does not boot where NESTJS_PPROF_MEM_PROFILE_RATE is invalid, and says what is expected', async () => {
    const env = { BURN_MS: '0', NODE_OPTIONS, NESTJS_PPROF_MEM_PROFILE_RATE: '2147483648' };
    const program = new TestProcess(process.execPath, [appFile('boot.mjs')], env);
    expect(await program.exited).toBe(1);
    expect(program.output).toContain(
      'PprofModule: invalid value "2147483648" for NESTJS_PPROF_MEM_PROFILE_RATE: expected a whole number of bytes up to 2147483647, or 0 to let PprofModule start heap sampling',
    );
  });
});

describe('a process that NODE_OPTIONS starts with nestjs-pprof/preload and that never boots Nest', () => {
  const PROGRAMS = [
    { command: process.execPath, args: [appFile('boot-without-nest.mjs')], prints: /^of the child\ndone\n$/ },
    { command: 'npm', args: ['--version'], prints: /^\d+\.\d+\.\d+\n$/ },
  ];
  const env = {
    NESTJS_PPROF_BOOT_PROFILE: join(directory, 'boot-%p.pb.gz'),
    NESTJS_PPROF_MEM_PROFILE_RATE: '512k', // invalid
  };
  afterEach(() => TestProcess.stopAll());

  it('prints and writes nothing of the module, nor do its worker threads and child processes', async () => {
    const before = readdirSync(directory);
    await inParallel(PROGRAMS, async ({ command, args, prints }) => {
      const program = new TestProcess(command, args, { BURN_MS: '0', NODE_OPTIONS, ...env });
      expect(await program.exited).toBe(0);
      expect(program.output).toMatch(prints);
    });
    expect(readdirSync(directory)).toEqual(before);
  });
});

const BOOT_LINE = /^\[PprofModule\] CPU profile of the boot: (.+)\n/m;

/** In bytes. */
async function heldAtBoot(app: Workload): Promise<number> {
  return (await app.profile('heap?gc=1')).cumulative('inuse_space', 'holdAtBoot');
}
