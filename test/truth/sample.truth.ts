import { afterAll, beforeAll, describe, it } from '@jest/globals';
import type { DecodedProfile } from '../support/decoded-profile.js';
import { TestProcess, Workload } from '../support/process.js';
import { Sample } from '../support/sample.js';
import { atLeast, type Bound, claim } from './claim.js';

const sample = new Sample('01-basic');

/** Of the CPU time, as its README says: more than half, and the rest is Node's HTTP server, Nest, V8, and the sampler. */
const HALF: Bound = { low: 0.45, high: 0.7, text: '45 to 70 %' };

describe('sample/01-basic', () => {
  let cpu: DecodedProfile;
  let heap: DecodedProfile;

  beforeAll(async () => {
    const process = new TestProcess(globalThis.process.execPath, [await sample.build()], { PORT: '0' });
    const [, url] = await process.printed(/^Open (\S+)\/debug\/pprof\/\n[^]*Ctrl-C/m);
    const shop = new Workload(process, [url!]);
    cpu = await shop.profile('profile?seconds=20');
    heap = await shop.profile('heap?gc=1');
    process.kill('SIGTERM');
    await process.exited;
  });
  afterAll(async () => {
    await TestProcess.stopAll();
    sample.clean();
  });

  it('spends half of its CPU time in one function', () => {
    const part = cpu.flat('cpu', 'SearchService.similarity') / cpu.total('cpu');
    claim('the sample: half of the CPU time is in similarity', part, HALF);
  });

  it('has most of its memory from one function after 20 seconds', () => {
    const part = heap.flat('inuse_space', 'RecommendationsCache.remember') / heap.total('inuse_space');
    claim('the sample: most of the memory is from remember', part, atLeast(0.5));
  });
});
