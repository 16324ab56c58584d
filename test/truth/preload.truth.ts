import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { DecodedProfile } from '../support/decoded-profile.js';
import {
  appFile,
  type ProcessOptions,
  startWorkload,
  TestProcess,
  type Workload,
} from '../support/process.js';

/** What boot-work.cjs does while it is loaded; on Node 20 threads of Node's own take some of that. */
const BURNT_MS = 300;
const HELD_BYTES = 20_480 * 1024;

/** 20 MB are 1,280 samples then, whose number varies by 3 %. */
const RATE = '16384';
const TOLERANCE = 0.15;

const PRELOAD = ['--import', 'nestjs-pprof/preload'];

/** Where `pprof` is not there, the inspector samples. */
const WITHOUT_PPROF = ['--import', appFile('no-pprof.mjs'), ...PRELOAD];

const directory = mkdtempSync(join(tmpdir(), 'nestjs-pprof-preload-'));
let files = 0;
const newFile = (extension: string): string => join(directory, `${++files}.${extension}`);

afterEach(() => TestProcess.stopAll());
afterAll(() => rmSync(directory, { recursive: true }));

describe.each([
  { file: 'boot.mjs', sampler: 'pprof', flags: PRELOAD },
  { file: 'boot.cjs', sampler: 'inspector', flags: WITHOUT_PPROF },
])('node --import nestjs-pprof/preload $file, by $sampler', ({ file, sampler, flags }) => {
  it('shows in heap what was allocated while the application was loaded', async () => {
    const env = { MEM_RATE: RATE, NESTJS_PPROF_MEM_PROFILE_RATE: RATE };
    const app = await startWorkload(file, { flags, env });
    const share = await heldAtBoot(app);
    expect(share).toBeGreaterThan(1 - TOLERANCE);
    expect(share).toBeLessThan(1 + TOLERANCE);
    expect((await app.profile('heap')).comments[0]).toContain(`sampled by ${sampler}, every ${RATE} bytes`);
    expect(app.process.output).not.toMatch(/WARN|ERROR/);
  });

  it('is what it takes: without, the module comes too late for that', async () => {
    expect(await heldAtBoot(await startWorkload(file, { env: { MEM_RATE: RATE } }))).toBe(0);
  });

  it('writes a CPU profile of the boot, which ends there', async () => {
    const boot = newFile('pb.gz');
    const app = await startWorkload(file, { flags, env: { NESTJS_PPROF_BOOT_PROFILE: boot } });
    await app.process.printed(bootLine(boot));
    const profile = new DecodedProfile(readFileSync(boot));
    expect(profile.cumulative('cpu', 'burnAtBoot') / 1e6).toBeGreaterThan(0.6 * BURNT_MS);
    expect(profile.comments[0]).toBe(`CPU samples of the main thread by ${sampler} at 1000 Hz`);
    expect(profile.durationNanos / 1e6).toBeGreaterThan(BURNT_MS);

    // The sampler is free, and the process ends by itself.
    expect((await app.profile('profile?seconds=1')).cumulative('cpu', 'burnAtBoot')).toBe(0);
    await app.post('close');
    expect(await app.process.exited).toBe(0);
    expect(linesWith(app.process.output, 'CPU profile of the boot')).toHaveLength(1);
  });

  it('writes a .cpuprofile for DevTools', async () => {
    const boot = newFile('cpuprofile');
    const app = await startWorkload(file, { flags, env: { NESTJS_PPROF_BOOT_PROFILE: boot } });
    await app.process.printed(bootLine(boot));
    const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(boot, 'utf8')) as {
      nodes: { id: number; callFrame: { functionName: string } }[];
      samples: number[];
      timeDeltas: number[];
    };
    const burning = new Set(
      nodes.filter(({ callFrame }) => callFrame.functionName === 'burnAtBoot').map(({ id }) => id),
    );
    const micros = samples.reduce((sum, id, i) => sum + (burning.has(id) ? timeDeltas[i]! : 0), 0);
    expect(micros / 1000).toBeGreaterThan(0.5 * BURNT_MS); // the rest is in what it calls
  });
});

describe('node --import nestjs-pprof/preload with an application', () => {
  it('samples every 512 KiB if nobody says, and the module says that its own rate has no effect', async () => {
    const app = await startWorkload('boot.mjs', { flags: PRELOAD, env: { MEM_RATE: RATE } });
    expect((await app.profile('heap')).period).toBe(524_288);
    expect(app.process.output).toContain(
      `memProfileRate ${RATE} has no effect: V8's one heap sampler runs at 524288 already`,
    );
    await app.post('close');
    expect(await app.process.exited).toBe(0); // by itself
  });

  it.each([
    { rate: '0', sampled: false },
    { rate: '', sampled: true }, // as if it were not set
  ])('samples with NESTJS_PPROF_MEM_PROFILE_RATE="$rate": $sampled', async ({ rate, sampled }) => {
    const env = { NESTJS_PPROF_MEM_PROFILE_RATE: rate };
    const app = await startWorkload('boot.mjs', { flags: PRELOAD, env });
    expect((await heldAtBoot(app)) > 0).toBe(sampled);
    expect((await app.profile('heap')).period).toBe(524_288); // the module samples in any case
  });

  it('lets it run when the file cannot be written, and says so in one line', async () => {
    const boot = join(directory, 'not-there', 'boot.pb.gz');
    const app = await startWorkload('boot.mjs', { flags: PRELOAD, env: { NESTJS_PPROF_BOOT_PROFILE: boot } });
    await app.process.printed(/ERROR .*\n/);
    expect((await fetch(app.pprof('profile?seconds=1'))).status).toBe(200);
    expect(linesWith(app.process.output, 'ERROR')).toEqual([
      expect.stringContaining(
        '[PprofModule] The CPU profile of the boot could not be written: ENOENT: no such file or directory',
      ),
    ]);
  });
});

describe('node --import nestjs-pprof/preload with a program without Nest', () => {
  it.each([
    ['pprof', PRELOAD],
    ['inspector', WITHOUT_PPROF],
  ])('writes the profile when the program ends, and a worker thread writes none: by %s', async (_, flags) => {
    const boot = newFile('pb.gz');
    const program = run('boot-without-nest.mjs', flags, { NESTJS_PPROF_BOOT_PROFILE: boot });
    expect(await program.exited).toBe(0);
    expect(program.output).toContain('done\n');
    expect(linesWith(program.output, 'CPU profile of the boot')).toHaveLength(1);
    const profile = new DecodedProfile(readFileSync(boot));
    expect(profile.cumulative('cpu', 'burnAtBoot') / 1e6).toBeGreaterThan(0.6 * BURNT_MS);
    expect(profile.cumulative('cpu', 'burnInWorker')).toBe(0);
  });

  it('writes none if nobody asks, and prints nothing', async () => {
    const before = readdirSync(directory);
    const program = run('boot-without-nest.mjs', PRELOAD, {});
    expect(await program.exited).toBe(0);
    expect(program.output).toBe('done\n');
    expect(readdirSync(directory)).toEqual(before);
  });

  it.each(['abc', '-1', '1.5', '2147483648', '512k'])(
    'ends at once with one line where NESTJS_PPROF_MEM_PROFILE_RATE is %s',
    async (rate) => {
      const program = run('boot-without-nest.mjs', PRELOAD, { NESTJS_PPROF_MEM_PROFILE_RATE: rate });
      expect(await program.exited).toBe(1);
      expect(program.output).toBe(
        `NESTJS_PPROF_MEM_PROFILE_RATE is "${rate}": it takes a whole number of bytes, or 0 for no heap sampling\n`,
      );
    },
  );
});

function run(file: string, flags: readonly string[], env: ProcessOptions['env']): TestProcess {
  return new TestProcess(process.execPath, [...flags, appFile(file)], env);
}

const bootLine = (file: string): RegExp =>
  new RegExp(`LOG \\[PprofModule\\] CPU profile of the boot: ${file}\n`);

async function heldAtBoot(app: Workload): Promise<number> {
  return (await app.profile('heap?gc=1')).cumulative('inuse_space', 'holdAtBoot') / HELD_BYTES;
}

function linesWith(output: string, text: string): string[] {
  return output.split('\n').filter((line) => line.includes(text));
}
