import { afterEach, describe, expect, it } from '@jest/globals';
import { inParallel } from '../support/async.js';
import { readGoTrace } from '../support/go-trace-reader.js';
import { request } from '../support/http.js';
import { startWorkload, TestProcess } from '../support/process.js';

interface Outcome {
  /** What there is more of after the captures. */
  readonly added: readonly string[];
  readonly before: Readonly<Record<string, number>>;
  readonly after: Readonly<Record<string, number>>;
}

/** The heap sampler of the inspector keeps a session connected, and so does a warm CPU profiler, with a timer that rotates it. */
const ROWS = [
  { sampler: 'pprof', warm: 'off', lasting: { sessions: 0, timers: 0 } },
  { sampler: 'inspector', warm: 'off', lasting: { sessions: 1, timers: 0 } },
  { sampler: 'auto', warm: 'always', lasting: { sessions: 1, timers: 1 } },
];

afterEach(() => TestProcess.stopAll());

describe('twenty captures and eight traces beside each heap sampler and beside a warm CPU profiler, of which half were aborted', () => {
  it('leave no file, thread, session, timer, hook, method or handle behind, and the next capture works', () =>
    inParallel(ROWS, async ({ sampler, warm, lasting }) => {
      const app = await startWorkload('left-behind.mjs', { env: { SAMPLER: sampler, WARM: warm } });
      const { added, before, after } = await app.post<Outcome>('captures');
      expect({ sampler, added, before, after }).toEqual({ sampler, added: [], before, after });
      expect(after).toMatchObject({ ...lasting, hooks: 0, replaced: 0 });
      for (const path of ['profile?seconds=1&sampler=pprof', 'profile?seconds=1&sampler=inspector', 'heap']) {
        expect((await app.profile(path)).samples.length).toBeGreaterThan(0);
      }
      const { body } = await request(app.pprof('trace?seconds=0.01'));
      expect(readGoTrace(body).threads.size).toBe(1);
      expect(app.process.output).not.toMatch(/ERROR|Warning/);
    }));
});
