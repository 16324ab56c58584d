import { afterEach, describe, expect, it } from '@jest/globals';
import { inParallel } from '../support/async.js';
import { startWorkload, TestProcess } from '../support/process.js';

afterEach(() => TestProcess.stopAll());

describe('a hundred captures, of which half were aborted by their client', () => {
  it('leave no file, thread, session, timer or handle behind, and the next capture works', () =>
    inParallel(['pprof', 'inspector'], async (sampler) => {
      const app = await startWorkload('left-behind.mjs', { env: { SAMPLER: sampler } });
      const { before, after } = await app.post<Record<'before' | 'after', object>>('captures');
      expect({ sampler, ...after }).toEqual({ sampler, ...before });
      expect(after).toMatchObject({ sessions: 1 }); // that of the heap
      for (const path of ['profile?seconds=1&sampler=pprof', 'profile?seconds=1&sampler=inspector', 'heap']) {
        expect((await app.profile(path)).samples.length).toBeGreaterThan(0);
      }
      expect(app.process.output).not.toMatch(/ERROR|Warning/);
    }));
});
