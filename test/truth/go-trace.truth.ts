import { describe, it } from '@jest/globals';
import fc from 'fast-check';
import { catsTrace, MILLISECOND, WAITS } from '../support/cats-trace.js';
import { goTracePages, goTraceProfile, runGoTrace, type TraceProfile } from '../support/go-trace-tool.js';
import { anyEvents, writtenTrace } from '../support/trace-events.js';
import { atMost, claim, within } from './claim.js';

/** The commands of Go to ask, separated by colons; the one on the PATH if there is no such variable. */
const GOS = (process.env.TRUTH_GOS ?? 'go').split(':');

const TRACES = 200;
const REQUESTS = 50;
const KINDS: readonly TraceProfile[] = ['net', 'sync', 'syscall', 'sched'];
const PAGES = [
  '/goroutines',
  '/usertasks',
  '/userregions',
  '/jsontrace',
  '/jsontrace?goid=1',
  '/jsontrace?view=thread',
];
/** Of which the pages are asked for, which takes longer. */
const SHOWN = 10;

/** Which profile has a wait. */
const PROFILES: Readonly<Record<string, TraceProfile>> = {
  network: 'net',
  promise: 'sync',
  syscall: 'syscall',
};

describe.each(GOS)('%s tool trace', (go) => {
  it('reads traces of random events', async () => {
    const traces = randomTraces();
    let failed = 0;
    for (const [i, trace] of traces.entries()) {
      const { code, errors } = await runGoTrace(go, KINDS[i % KINDS.length]!, trace);
      if (code !== 0) {
        failed++;
        process.stderr.write(errors);
      }
    }
    claim(`${go}: of ${TRACES} traces of random events, those that cannot be read`, failed, atMost(0));
  });

  it('shows the pages of traces of random events', async () => {
    let shown = 0;
    for (const trace of randomTraces().slice(0, SHOWN))
      shown += (await goTracePages(go, trace, PAGES)).length;
    claim(`${go}: pages of such traces that it shows`, shown / (SHOWN * PAGES.length), within(0));
  });

  it('shows how long requests waited', async () => {
    const trace = catsTrace(REQUESTS);
    for (const [name, cause, ms] of WAITS) {
      const kind = PROFILES[cause];
      if (!kind) continue; // Go has no profile of sleeps
      const profile = await goTraceProfile(go, kind, trace);
      const expected = REQUESTS * ms * MILLISECOND;
      claim(`${go}: waits by -pprof=${kind}`, profile.flat('contentions', name) / REQUESTS, within(0));
      claim(`${go}: time waited by -pprof=${kind}`, profile.flat('delay', name) / expected, within(0.0001));
    }
  });
});

/** Goroutine 1 begins each: Go 1.22 and later take a trace without goroutines for broken. */
function randomTraces(): Uint8Array[] {
  return fc
    .sample(anyEvents(300), { seed: 18, numRuns: TRACES })
    .map((events) => writtenTrace([{ type: 'run', time: 0, thread: 0, goroutine: 1 }, ...events]));
}
