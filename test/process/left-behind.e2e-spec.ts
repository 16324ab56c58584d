import { afterEach, describe, expect, it } from '@jest/globals';
import { inParallel } from '../support/async.js';
import { startWorkload, TestProcess } from '../support/process.js';

interface Outcome {
  /** What there is more of after the captures. */
  readonly added: readonly string[];
  readonly before: Readonly<Record<string, number>>;
  readonly after: Readonly<Record<string, number>>;
}

/** The heap sampler of the inspector keeps a session connected. */
const ROWS = [
  { sampler: 'pprof', ofHeap: { sessions: 0, timers: 0 } },
  { sampler: 'inspector', ofHeap: { sessions: 1, timers: 0 } },
];

afterEach(() => TestProcess.stopAll());

describe('twenty captures beside each heap sampler, of which half were aborted', () => {
  it('leave no file, thread, session, timer or handle behind, and the next capture works', () =>
    inParallel(ROWS, async ({ sampler, ofHeap }) => {
      const app = await startWorkload('left-behind.mjs', { env: { SAMPLER: sampler } });
      const { added, before, after } = await app.post<Outcome>('captures');
      expect({ sampler, added, before, after }).toEqual({ sampler, added: [], before, after });
      expect(after).toMatchObject(ofHeap);
      for (const path of ['profile?seconds=1&sampler=pprof', 'profile?seconds=1&sampler=inspector', 'heap']) {
        expect((await app.profile(path)).samples.length).toBeGreaterThan(0);
      }
      expect(app.process.output).not.toMatch(/ERROR|Warning/);
    }));
});
