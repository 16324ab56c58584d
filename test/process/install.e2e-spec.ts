import { afterEach, describe, expect, it } from '@jest/globals';
import {
  appFile,
  type ProcessOptions,
  startWorkload,
  TestProcess,
  type Workload,
} from '../support/process.js';

const REASON = 'Could not locate the bindings file';

/** How the app of each module system gets to think that `pprof` was never built. */
const NO_PPROF = [
  { file: 'heap.mjs', flags: ['--import', appFile('no-pprof.mjs')] },
  { file: 'heap.cjs', flags: ['--require', appFile('no-pprof.cjs')] },
];

afterEach(() => TestProcess.stopAll());

describe.each(NO_PPROF)('$file where the package pprof cannot be loaded', ({ file, flags }) => {
  it('starts, says in one line that node:inspector samples, and profiles', async () => {
    const app = await startWorkload(file, { flags });
    const notices = linesWith(app.process.output, 'node:inspector');
    expect(notices).toHaveLength(1);
    expect(notices[0]).toMatch(/LOG.*The optional package pprof cannot be loaded \(.+\): sampling with/);
    expect(notices[0]).toContain(REASON);
    expect(app.process.output).not.toContain('→ there'); // the rest of the loader's message
    expect(app.process.output).not.toMatch(/ERROR|WARN/);
    await expectServedBy('inspector', app);
  });

  it('starts without a word where the inspector was chosen', async () => {
    const app = await startWorkload(file, { flags, env: { SAMPLER: 'inspector' } });
    expect(app.process.output).not.toMatch(/pprof cannot be loaded|node:inspector/);
    await expectServedBy('inspector', app);
  });

  it('does not start where pprof was chosen, and says why in one sentence', async () => {
    const output = await outputOfRefusal(file, { flags, env: { SAMPLER: 'pprof' } });
    const sentences = linesWith(output, 'PprofModule: the sampler "pprof" cannot be loaded');
    expect(sentences).toHaveLength(1);
    expect(sentences[0]).toContain(REASON);
  });
});

describe.each(['heap.mjs', 'heap.cjs'])('%s where the package pprof is there', (file) => {
  it('takes pprof, without a word', async () => {
    const app = await startWorkload(file);
    expect(app.process.output).not.toMatch(/cannot be loaded|node:inspector/);
    await expectServedBy('pprof', app);
  });
});

describe.each(['heap.mjs', 'heap.cjs'])('%s in a worker thread', (file) => {
  it('starts, says why node:inspector samples, and profiles', async () => {
    const app = await startWorkload('in-worker.mjs', { env: { APP: `./${file}` } });
    const notices = linesWith(app.process.output, 'node:inspector');
    expect(notices).toHaveLength(1);
    expect(notices[0]).toContain('(it works in the main thread only)');
    await expectServedBy('inspector', app);
  });

  it('does not start where pprof was chosen, and says why', async () => {
    const env = { APP: `./${file}`, SAMPLER: 'pprof' };
    expect(await outputOfRefusal('in-worker.mjs', { env })).toContain(
      'the sampler "pprof" cannot be loaded (it works in the main thread only)',
    );
  });
});

function linesWith(output: string, text: string): string[] {
  return output.split('\n').filter((line) => line.includes(text));
}

/** What an app wrote that ended instead of serving. */
async function outputOfRefusal(file: string, options: ProcessOptions): Promise<string> {
  const outcome = await startWorkload(file, options).catch((error: Error) => error.message);
  return typeof outcome === 'string' ? outcome : 'it serves';
}

async function expectServedBy(sampler: string, app: Workload): Promise<void> {
  const cpu = await app.profile('profile?seconds=1');
  expect(cpu.comments[0]).toContain(`by ${sampler} at 100 Hz`);
  expect(cpu.durationNanos / 1e9).toBeGreaterThan(0.98);

  await app.post('hold');
  const heap = await app.profile('heap?gc=1');
  expect(heap.comments[0]).toContain(`sampled by ${sampler}, every`);
  expect(heap.flat('inuse_space', 'holdObjects')).toBeGreaterThan(50 * 2 ** 20);
}
