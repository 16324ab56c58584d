import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, it } from '@jest/globals';
import { DecodedProfile } from '../support/decoded-profile.js';
import { appFile, startWorkload, TestProcess } from '../support/process.js';
import { atLeast, claim, sampledSize, within } from './claim.js';

/** What boot-work.cjs holds. */
const COUNT = 20_480;
const SIZE = 1024;

/** 20 MB are 2,300 samples then. V8 rounds the weight of a sample: 9.01 of these objects are 9. */
const RATE = 8.5 * SIZE;

/** Of CPU time that boot-work.cjs burns: some thousand samples. */
const BURN = { BURN_MS: '3000', PRINT_BURNT: '1' };

const PRELOAD = ['--import', 'nestjs-pprof/preload'];

/** Where `pprof` is not there, the inspector samples. */
const WITHOUT_PPROF = ['--require', appFile('no-pprof.cjs'), ...PRELOAD];

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
    const env = { MEM_RATE: `${RATE}`, NESTJS_PPROF_MEM_PROFILE_RATE: `${RATE}` };
    const app = await startWorkload(file, { flags, env });
    const profile = await app.profile('heap?gc=1');
    const held = profile.cumulative('inuse_space', 'holdAtBoot') / (COUNT * SIZE);
    const bound = sampledSize({ count: COUNT, size: SIZE, rate: RATE, sampler });
    claim(`preload of ${file} by ${sampler}: the 20 MB of the boot are held`, held, bound);
  });

  it('writes the CPU time of the boot', async () => {
    const boot = newFile('pb.gz');
    const app = await startWorkload(file, { flags, env: { ...BURN, NESTJS_PPROF_BOOT_PROFILE: boot } });
    await app.process.printed(/CPU profile of the boot/);
    claimBurnt(`preload of ${file} by ${sampler}`, sampler, app.process, readProfile(boot));
  });

  it('writes the time of the boot for DevTools', async () => {
    const boot = newFile('cpuprofile');
    const app = await startWorkload(file, { flags, env: { ...BURN, NESTJS_PPROF_BOOT_PROFILE: boot } });
    await app.process.printed(/CPU profile of the boot/);
    const profile = JSON.parse(readFileSync(boot, 'utf8')) as CpuProfile;
    const { ms, n } = timeIn(profile, 'burnAtBoot');
    // In its samples there is the real time, whichever sampler it was. V8 waits for its own threads now and then.
    const ratio = ms / burntBy(app.process).realMs;
    claim(`preload of ${file} by ${sampler}: a .cpuprofile has the time of the boot`, ratio, within(0.1, n));
  });
});

const readProfile = (file: string): DecodedProfile => new DecodedProfile(readFileSync(file));

function claimBurnt(subject: string, sampler: string, program: TestProcess, profile: DecodedProfile): void {
  const { realMs, cpuMs } = burntBy(program);
  const n = profile.cumulative('samples', 'burnAtBoot');
  const ms = profile.cumulative('cpu', 'burnAtBoot') / 1e6;
  if (sampler === 'pprof') {
    // Its samples count for real time, all for the same: a process that waits for the CPU has fewer of them then.
    claim(`${subject}: the function that burns has its real time`, ms / realMs, within(0.15, n));
  } else {
    // A boot is few long tasks: the CPU time of each is shared among its samples, also those that load modules.
    claim(`${subject}: the function that burns has its CPU time`, ms / cpuMs, within(0.1, n));
  }
  claim(`${subject}: the profile is as long as the boot`, profile.durationNanos / 1e6 / realMs, atLeast(1));
}

/** What boot-work.cjs says of itself. */
function burntBy({ output }: TestProcess): { realMs: number; cpuMs: number } {
  const [, realMs, cpuMs] = /^burnt (\S+) (\S+)$/m.exec(output)!;
  return { realMs: Number(realMs), cpuMs: Number(cpuMs) };
}

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string };
    readonly children?: readonly number[];
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** The time of the samples in a function and what it calls, and their number. */
function timeIn({ nodes, samples, timeDeltas }: CpuProfile, name: string): { ms: number; n: number } {
  const inside = new Set<number>();
  for (const { id, callFrame, children = [] } of nodes) {
    if (callFrame.functionName === name) inside.add(id);
    if (inside.has(id)) for (const child of children) inside.add(child); // callers come first
  }
  const deltas = timeDeltas.filter((_, i) => inside.has(samples[i]!));
  return { ms: deltas.reduce((sum, micros) => sum + micros, 0) / 1000, n: deltas.length };
}
