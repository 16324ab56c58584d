import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { describeGo } from '../support/go.js';
import { goTracePages, goTraceProfile } from '../support/go-trace-tool.js';
import { catsTrace, MILLISECOND } from '../support/cats-trace.js';
import { anyEvents, writtenTrace } from '../support/trace-events.js';

const PAGES = ['/goroutines', '/usertasks', '/userregions', '/jsontrace'];

describeGo('go tool trace on a trace of random events', () => {
  it('shows each page', async () => {
    const [events] = fc.sample(anyEvents(1000), { seed: 18, numRuns: 1 });
    expect(await goTracePages('go', writtenTrace(events!), [...PAGES, '/jsontrace?goid=1'])).toHaveLength(5);
  });
});

describeGo('go tool trace on a trace of 20 requests', () => {
  const bytes = catsTrace(20);

  it.each([
    ['net', 'query', 50],
    ['sync', 'lock', 5],
    ['syscall', 'readFile', 10],
  ] as const)('-pprof=%s shows %s and how long it took', async (kind, name, ms) => {
    const profile = await goTraceProfile('go', kind, bytes);
    expect([profile.flat('contentions', name), profile.flat('delay', name)]).toEqual([
      20,
      20 * ms * MILLISECOND,
    ]);
  });

  it('-pprof=sched shows how long requests were runnable', async () => {
    const profile = await goTraceProfile('go', 'sched', bytes);
    expect(profile.flat('delay', 'CatsController.findOne')).toBe(20 * MILLISECOND);
  });

  it('shows goroutines, tasks and regions by their names', async () => {
    const pages = await goTracePages('go', bytes, PAGES);
    expect(pages[0]).toMatch(/CatsController\.findOne *(N=)?20\b/);
    expect(pages[1]).toMatch(/GET \/cats\/:id 20 /);
    expect(pages[2]).toMatch(/guard"? .*CatsController\.findOne .* 20 /);
  });
});
