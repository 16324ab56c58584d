import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { describeGo, goPprof, profileFile, runGoPprof, topRows } from '../support/go.js';
import { DecodedProfile } from '../support/decoded-profile.js';
import { appFile, startWorkload, TestProcess, type Workload } from '../support/process.js';

/** Methods of classes that Nest makes instances of. */
const METHODS = [
  'CatsService.findOne',
  'DogsService.findOne', // a namesake in the same file
  'BirdsService.findOne', // and one in another
  'AnimalsService.inherited',
  'AnimalsService.kinds', // static, of a class that one of Nest's extends
  'CatsService.create', // static
  'CatsService.findLater', // async
  'CatsService.get total',
  'CatsService.set owner',
  'CatsService.with a space',
  'CatsController.list',
];

/** What belongs to no class of Nest's, as V8 calls it. */
const NOBODYS = ['findNobody', 'findValue', 'findFactory', 'timed', 'timedCats', 'timedDogs', 'spend'];

/** Where the functions without a name begin that the app's source marks: line and column. */
const ANONYMOUS = readFileSync(appFile('names.mjs'), 'utf8')
  .split('\n')
  .flatMap((text, i) =>
    / \/\/ (the first|the second|both)$/.test(text)
      ? [...text.matchAll(/\(\) =>/g)].slice(0, 2).map((found) => [i + 1, found.index + 1] as const)
      : [],
  );

const CPU = 'profile?seconds=3&hz=1000';

const bare = (name: string): string => name.replace(/^\w+\./, '');

const start = (env: Record<string, string>): Promise<Workload> =>
  startWorkload('names.mjs', { env: { MEM_RATE: '1024', ...env } });

describe.each([
  { sampler: 'pprof', path: CPU, type: 'cpu', columns: false },
  { sampler: 'inspector', path: CPU, type: 'cpu', columns: true },
  { sampler: 'pprof', path: 'heap', type: 'inuse_space', columns: true },
  { sampler: 'inspector', path: 'heap', type: 'inuse_space', columns: true },
])('names in $path by $sampler', ({ sampler, path, type, columns }) => {
  let bytes: Buffer;
  let profile: DecodedProfile;
  let plain: DecodedProfile;

  beforeAll(async () => {
    const [app, plainApp] = await Promise.all([
      start({ SAMPLER: sampler }),
      start({ SAMPLER: sampler, PLAIN: '1' }),
    ]);
    if (path === 'heap') await Promise.all([app, plainApp].map((one) => one.post('filled')));
    [{ bytes, profile }, plain] = await Promise.all([app.download(path), plainApp.profile(path)]);
  });
  afterAll(() => TestProcess.stopAll());

  it.each(METHODS)('%s has its class', (name) => {
    expect(profile.cumulative(type, name)).toBeGreaterThan(0);
  });

  it('a namesake in a class that Nest does not know has none', () => {
    const [known, unknown] = ['CatsService.purr', 'purr'].map((name) => profile.cumulative(type, name));
    expect(known).toBeGreaterThan(0);
    expect(unknown! / known!).toBeGreaterThan(0.1); // both do the same; of a heap, chance tells what is alive
    expect(unknown! / known!).toBeLessThan(10);
  });

  it('no method stands without its class beside', () => {
    const places = profile.places.filter(({ file }) => /names(-birds)?\.\w+$/.test(file));
    expect(places.map(({ name }) => name)).not.toEqual(
      expect.arrayContaining([expect.stringMatching(new RegExp(`^(${METHODS.map(bare).join('|')})$`))]),
    );
  });

  it.each(NOBODYS)('%s has none: it is of no class that Nest makes instances of, or of several', (name) => {
    expect(profile.cumulative(type, name)).toBeGreaterThan(0);
    expect(profile.places.map((place) => place.name)).not.toEqual(
      expect.arrayContaining([expect.stringMatching(new RegExp(`\\.${name}$`))]),
    );
  });

  it.each(METHODS.map(bare))('%s has no class where Nest does not know it', (name) => {
    expect(plain.cumulative(type, name)).toBeGreaterThan(0);
    expect(plain.places.filter((place) => METHODS.includes(place.name))).toEqual([]);
  });

  it(`tells anonymous functions apart by their lines${columns ? ' and columns' : ''}`, () => {
    const expected = ANONYMOUS.map(
      (at) => `(anonymous names.mjs:${(columns ? at : at.slice(0, 1)).join(':')})`,
    );
    expect(expected).toHaveLength(4);
    expect(profile.places.map(({ name }) => name)).toEqual(expect.arrayContaining(expected));
  });

  it('a class moves no address', () => {
    const [known, unknown] = [profile, plain].map(
      ({ places }) =>
        new Map(places.map(({ name, file, line, address }) => [`${bare(name)} ${file}:${line}`, address])),
    ) as [Map<string, number>, Map<string, number>];
    for (const name of METHODS.map(bare)) {
      const places = [...known.keys()].filter((key) => key.startsWith(`${name} `) && unknown.has(key));
      expect(places).not.toEqual([]);
      expect(places.map((key) => known.get(key))).toEqual(places.map((key) => unknown.get(key)));
    }
  });

  describeGo(`go tool pprof on ${path} by ${sampler}`, () => {
    let file: string;
    beforeAll(() => {
      file = profileFile(`names-${sampler}-${type}.pb.gz`, bytes);
    });

    it('-top shows every name as it is', async () => {
      // Not goPprof: one of Node's functions has a warning in its name.
      const { code, output } = await runGoPprof('-top', '-nodecount=100000', '-nodefraction=0', file);
      expect(code).toBe(0);
      const top = topRows(output);
      const names = new Set(profile.samples.flatMap(({ stack, values }) => (values[type]! > 0 ? stack : [])));
      expect([...names].filter((name) => !top.has(name))).toEqual([]);
    });

    it('-peek finds a method by its class', async () => {
      const output = await goPprof('-peek', '^CatsService\\.findOne$', file);
      expect(output).toMatch(/\| +CatsService\.findOne$/m);
      expect(output).not.toContain('DogsService.findOne');
    });
  });
});
