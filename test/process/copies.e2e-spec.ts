import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { HOLDS_LITTLE, linesWith, startWorkload, TestProcess, type Workload } from '../support/process.js';

const { MEM_RATE } = HOLDS_LITTLE;

const WARNING = `memProfileRate 65536 has no effect: V8's one heap sampler runs at ${MEM_RATE} already`;

/** Each sampler once, each copy once as the one that closes first, and the same rate or different ones. */
const ROWS = [
  { sampler: 'pprof', otherRate: '65536', warnings: [WARNING], close: 'closeFirst', closed: 0 },
  { sampler: 'inspector', otherRate: MEM_RATE, warnings: [], close: 'closeSecond', closed: 1 },
];

describe.each(ROWS)(
  'the ESM and the CommonJS copy in one process, sampling by $sampler',
  ({ sampler, otherRate, warnings, close, closed }) => {
    let app: Workload;
    beforeAll(async () => {
      const env = { ...HOLDS_LITTLE, SAMPLER: sampler, OTHER_MEM_RATE: otherRate };
      app = await startWorkload('two-copies.mjs', { env });
    });
    afterAll(() => TestProcess.stopAll());

    it(`sample the heap at the rate of the first, and log ${warnings.length} warnings: ${MEM_RATE} and ${otherRate}`, async () => {
      const logged = linesWith(app.process.output, 'WARN');
      expect(logged).toEqual(warnings.map((warning) => expect.stringContaining(warning)));
      for (const url of app.urls) expect((await app.profile('heap', url)).period).toBe(Number(MEM_RATE));
    });

    it('take one CPU profile at a time', async () => {
      const answers = await Promise.all(app.urls.map((url) => fetch(app.pprof('profile?seconds=1', url))));
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 500]);
      const refusal = answers.find(({ status }) => status === 500);
      expect(await refusal!.text()).toContain('cpu profiling already in use');
    });

    it(`share the heap sampler: after ${close} the other copy still shows what was held before`, async () => {
      const stays = app.urls[1 - closed]!;
      await app.post('hold', stays);
      for (const url of app.urls) expect(await held(app, url)).toBeGreaterThan(0);

      await app.post(close, stays);
      await expect(fetch(app.pprof('heap', app.urls[closed]))).rejects.toThrow('fetch failed');
      expect(await held(app, stays)).toBeGreaterThan(0);
    });
  },
);

/** In bytes. */
async function held(app: Workload, url: string): Promise<number> {
  return (await app.profile('heap?gc=1', url)).flat('inuse_space', 'holdObjects');
}
