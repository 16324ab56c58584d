import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { request } from '../support/http.js';
import { HOLDS_LITTLE, linesWith, startWorkload, TestProcess, type Workload } from '../support/process.js';

const flags = process.allowedNodeEnvironmentFlags;

/** The permission model, with what an HTTP server needs. */
const MODEL = [
  flags.has('--permission') ? '--permission' : '--experimental-permission',
  ...(flags.has('--allow-net') ? ['--allow-net'] : []),
];

/** The repository and nothing else: neither `/proc` nor other files of the system. */
const OWN_FILES = `--allow-fs-read=${fileURLToPath(new URL('../../', import.meta.url))}*`;

const INSPECTOR_DENIED = flags.has('--allow-inspector')
  ? "Node's permission model denies the inspector: --allow-inspector allows it"
  : `Node's permission model denies the inspector, and Node ${process.versions.node} has no flag that allows it`;

const NO_SAMPLER = `${INSPECTOR_DENIED}; the optional package pprof cannot be loaded (Node's permission model denies native addons: --allow-addons allows it)`;

const PRELOAD = ['--import', 'nestjs-pprof/preload'];

const start = (permissions: readonly string[]): Promise<Workload> =>
  startWorkload('permission.mjs', {
    flags: [...MODEL, ...permissions, ...PRELOAD],
    env: {
      ...HOLDS_LITTLE,
      SOURCE_MAPS: '', // as by default: here there can be no thread for them
      NESTJS_PPROF_BOOT_PROFILE: '/not-allowed.pb.gz',
      NESTJS_PPROF_MEM_PROFILE_RATE: HOLDS_LITTLE.MEM_RATE,
    },
  });

/** What an endpoint replies that captures nothing. */
const refusal = (app: Workload, path: string): Promise<{ status: number; text: string }> =>
  request(app.pprof(path)).then(({ status, text }) => ({ status, text }));

/** The lines of the log that are not of a capture. */
const notices = ({ process }: Workload): string[] =>
  linesWith(process.output, 'PprofModule]').filter((line) => !line.includes('held the event loop'));

describe('an application under the permission model with --allow-addons', () => {
  let app: Workload;
  beforeAll(async () => {
    app = await start([OWN_FILES, '--allow-addons']);
    await app.process.printed(/could not be written.*\n/);
  });
  afterAll(() => TestProcess.stopAll());

  it('boots with preload, and logs what is off, why, and which flag helps', () => {
    expect(notices(app)).toEqual([
      expect.stringContaining(
        'Serving /debug/pprof/ to programs on this machine only; samplers: pprof (CPU, heap)',
      ),
      expect.stringContaining(`${INSPECTOR_DENIED}. Without it allocs,`),
      "[PprofModule] The CPU profile of the boot could not be written: Node's permission model denies writing /not-allowed.pb.gz: --allow-fs-write allows it",
    ]);
  });

  it('heap shows what is held, also with gc=1 and in a window, and its comments say that allocations are not counted', async () => {
    await app.post('hold');
    const [heap, window] = await Promise.all([app.profile('heap?gc=1'), app.profile('heap?seconds=1')]);
    expect(heap.flat('inuse_space', 'holdObjects')).toBeGreaterThan(0);
    for (const { comments } of [heap, window])
      expect(comments).toContain(`allocations are not counted: ${INSPECTOR_DENIED}`);
  });

  it('profile is sampled by pprof, and rejects sampler=inspector with the reason', async () => {
    const { comments } = await app.profile('profile?seconds=1&gc=1');
    expect(comments[0]).toBe('CPU samples of the main thread by pprof at 100 Hz');
    expect(await refusal(app, 'profile?seconds=1&sampler=inspector')).toEqual({
      status: 500,
      text: `Could not enable CPU profiling: ${INSPECTOR_DENIED}\n`,
    });
  });

  it('allocs replies 500 with the reason, with seconds too', async () => {
    for (const path of ['allocs', 'allocs?seconds=1']) {
      expect(await refusal(app, path)).toEqual({
        status: 500,
        text: `allocs is not available: ${INSPECTOR_DENIED}\n`,
      });
    }
  });

  it('toFile rejects with the reason', async () => {
    expect(await app.post('toFile')).toEqual({
      code: 'ERR_ACCESS_DENIED',
      message: "Node's permission model denies writing /not-allowed.pb.gz: --allow-fs-write allows it",
    });
  });
});

describe('an application under the permission model without --allow-addons', () => {
  let app: Workload;
  beforeAll(async () => {
    app = await start(['--allow-fs-read=*']);
    await app.process.printed(/No CPU profile of the boot.*\n/);
  });
  afterAll(() => TestProcess.stopAll());

  it('boots with preload, and logs what is off, why, and which flags help', () => {
    expect(notices(app)).toEqual([
      expect.stringContaining('Serving /debug/pprof/ to programs on this machine only; samplers: none'),
      expect.stringContaining(`No CPU and heap profiles: ${NO_SAMPLER}.`),
      `[PprofModule] No CPU profile of the boot: ${NO_SAMPLER}`,
    ]);
  });

  it('profile replies 500 with the reason, which is not that it is in use', async () => {
    expect(await refusal(app, 'profile?seconds=1')).toEqual({
      status: 500,
      text: `Could not enable CPU profiling: ${NO_SAMPLER}\n`,
    });
  });

  it('heap shows memory outside the heap, also with gc=1, and a comment says why there is no more', async () => {
    const { comments } = await app.profile('heap?gc=1');
    expect(comments[0]).toBe(`heap sampling is off: ${NO_SAMPLER}`);
  });
});
