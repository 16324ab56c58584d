import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { type DecodedProfile } from '../support/decoded-profile.js';
import { startWorkload, TestProcess } from '../support/process.js';
import { claim, share } from './claim.js';

/** Not 1000 Hz: the functions of the application take a ms each, in turn. */
const CPU = 'profile?seconds=10&hz=700';

/** Methods and functions of one name, each of which does the same work as often: each has the same part of all. */
const NAMESAKES = [
  ['CatsService.findOne', 'DogsService.findOne', 'BirdsService.findOne'],
  ['CatsService.purr', 'purr'], // the second is of a class that Nest does not know
];

/** Objects that the application keeps, 200 for each call: some 70 rounds through all of its functions. */
const KEPT = '400000';

/** Of them, one call more than the others, where the last round was not whole. */
const LAST_ROUND = 0.01;

/** So that what the namesakes hold, some 2 MB, is a thousand samples. */
const HEAP_RATE = 2048;

describe.each([
  { sampler: 'pprof', path: CPU, type: 'cpu' },
  { sampler: 'inspector', path: CPU, type: 'cpu' },
  { sampler: 'pprof', path: 'heap', type: 'inuse_space' },
  { sampler: 'inspector', path: 'heap', type: 'inuse_space' },
])('names in $path by $sampler', ({ sampler, path, type }) => {
  let profile: DecodedProfile;

  beforeAll(async () => {
    const app = await startWorkload('names.mjs', {
      env: { SAMPLER: sampler, MEM_RATE: `${HEAP_RATE}`, KEPT },
    });
    if (path === 'heap') await app.post('filled');
    profile = await app.profile(path);
  });
  afterAll(() => TestProcess.stopAll());

  /** Each sample of the heap stands for the rate in bytes, or more. */
  const samplesOf = (name: string): number =>
    path === 'heap' ? profile.cumulative(type, name) / HEAP_RATE : profile.cumulative('samples', name);

  it.each(NAMESAKES)('tell namesakes apart: %s', (...names) => {
    const all = names.reduce((sum, name) => sum + profile.cumulative(type, name), 0);
    const n = names.reduce((sum, name) => sum + samplesOf(name), 0);
    const floor = path === 'heap' ? LAST_ROUND : 0;
    // The last one has the rest.
    for (const name of names.slice(0, -1)) {
      const words = `${type} by ${sampler}: ${name} has its part of ${names.length} namesakes`;
      claim(words, profile.cumulative(type, name) / all, share(1 / names.length, n, floor));
    }
  });
});
