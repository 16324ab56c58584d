import { afterEach, describe, expect, it } from '@jest/globals';
import { startWorkload, TestProcess, type Workload } from '../support/process.js';

/** Each way to end a process once, and each adapter and sampler. */
const ROWS: readonly {
  way: string;
  ADAPTER: string;
  SAMPLER: string;
  end: (app: Workload) => unknown;
  /** Of the process; null where Nest sends itself the signal again. */
  exitCode: number | null;
}[] = [
  {
    way: 'SIGTERM',
    ADAPTER: 'express',
    SAMPLER: 'pprof',
    end: (app) => app.process.kill('SIGTERM'),
    exitCode: null,
  },
  {
    way: 'app.close()',
    ADAPTER: 'fastify',
    SAMPLER: 'inspector',
    end: (app) => app.post('close'),
    exitCode: 0,
  },
];

describe('a process that ends during profile?seconds=300', () => {
  afterEach(() => TestProcess.stopAll());

  it.each(ROWS)(
    'by $way on $ADAPTER replies with the profile so far by $SAMPLER, and exits',
    async ({ ADAPTER, SAMPLER, end, exitCode }) => {
      const app = await startWorkload('shutdown.mjs', { env: { ADAPTER, SAMPLER } });
      const captured = app.profile('profile?seconds=300');
      await app.process.printed(/^capturing$/m);
      await end(app);
      const { comments, sampleTypes } = await captured;
      expect(comments[0]).toContain(`by ${SAMPLER}`);
      expect(sampleTypes).toEqual(['samples', 'cpu']);
      expect(await app.process.exited).toBe(exitCode);
    },
  );
});
