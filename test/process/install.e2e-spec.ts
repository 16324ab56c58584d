import { afterEach, describe, expect, it } from '@jest/globals';
import { inParallel } from '../support/async.js';
import {
  appFile,
  HOLDS_LITTLE,
  linesWith,
  type ProcessOptions,
  startWorkload,
  TestProcess,
  type Workload,
} from '../support/process.js';

const REASON = 'Could not locate the bindings file';

const NO_PPROF = ['--require', appFile('no-pprof.cjs')];

afterEach(() => TestProcess.stopAll());

describe('an application where the package pprof cannot be loaded', () => {
  it('starts, logs in one line that the inspector samples, and rejects sampler=pprof with 400', () =>
    inParallel(['heap.mjs', 'heap.cjs'], async (file) => {
      const app = await startWorkload(file, { flags: NO_PPROF, env: HOLDS_LITTLE });
      const notices = linesWith(app.process.output, 'cannot be loaded');
      expect(notices).toEqual([
        expect.stringMatching(
          /LOG.* inspector \(CPU, heap\), since the optional package pprof cannot be loaded \(.+\)$/,
        ),
      ]);
      expect(notices[0]).toContain(REASON);
      expect(app.process.output).not.toContain('→ there'); // the rest of the loader's message
      expect(app.process.output).not.toMatch(/ERROR|WARN/);

      expect(await refusal(app)).toMatch(
        /^[^\n]*the sampler "pprof" cannot be loaded \(Could not locate the bindings file\)\n$/,
      );
      await expectServedBy('inspector', app);
      expect(app.process.output).not.toMatch(/ERROR|WARN/);
    }));

  it('does not start where the option sampler is "pprof", and gives the reason in one line', async () => {
    const output = await outputOfRefusal('heap.mjs', { flags: NO_PPROF, env: { SAMPLER: 'pprof' } });
    const sentences = linesWith(output, 'PprofModule: the sampler "pprof" cannot be loaded');
    expect(sentences).toEqual([expect.stringContaining(REASON)]);
  });
});

describe('an application in a worker thread', () => {
  const REFUSED = '(it works in the main thread only)';

  it('starts, logs why the inspector samples, and rejects sampler=pprof with 400', async () => {
    const app = await startWorkload('in-worker.mjs', { env: { ...HOLDS_LITTLE, APP: './heap.mjs' } });
    expect(linesWith(app.process.output, 'samplers: inspector')).toEqual([expect.stringContaining(REFUSED)]);
    expect(await refusal(app)).toContain(REFUSED);
    await expectServedBy('inspector', app);
  });
});

/** What an app wrote that ended instead of serving. */
async function outputOfRefusal(file: string, options: ProcessOptions): Promise<string> {
  const outcome = await startWorkload(file, options).catch((error: Error) => error.message);
  return typeof outcome === 'string' ? outcome : 'it serves';
}

/** What an app replies to a request for the sampler that it cannot load. */
async function refusal(app: Workload): Promise<string> {
  const answer = await fetch(app.pprof('profile?seconds=1&sampler=pprof'));
  expect(answer.status).toBe(400);
  expect(answer.headers.get('content-type')).toBe('text/plain; charset=utf-8');
  return answer.text();
}

async function expectServedBy(sampler: string, app: Workload): Promise<void> {
  await app.post('hold');
  const [cpu, heap] = await Promise.all([app.profile('profile?seconds=1'), app.profile('heap')]);
  expect(cpu.comments[0]).toBe(`CPU samples of the main thread by ${sampler} at 100 Hz`);
  expect(heap.comments[0]).toContain(`heap sampled by ${sampler}, every`);
  expect(heap.flat('inuse_space', 'holdObjects')).toBeGreaterThan(0);
}
