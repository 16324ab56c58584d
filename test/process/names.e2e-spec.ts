import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../support/async.js';
import type { DecodedProfile } from '../support/decoded-profile.js';
import { describeGo, goPprof, profileFile, topRows } from '../support/go.js';
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

/** A method of a class that Nest knows, and its namesake in one that Nest does not know. */
const NAMESAKES = ['CatsService.purr', 'purr'];

/** What belongs to no class of Nest's, or to several. */
const WITHOUT_CLASS = ['findNobody', 'findValue', 'findFactory', 'timed', 'timedCats', 'timedDogs', 'spend'];

/** Where the functions without a name begin that the app's source marks: line and column. */
const ANONYMOUS = readFileSync(appFile('names.mjs'), 'utf8')
  .split('\n')
  .flatMap((text, i) =>
    / \/\/ (the first|the second|both)$/.test(text)
      ? [...text.matchAll(/\(\) =>/g)].slice(0, 2).map((found) => [i + 1, found.index + 1] as const)
      : [],
  );

const bare = (name: string): string => name.replace(/^\w+\./, '');

const anonymousNames = (columns: boolean): string[] =>
  ANONYMOUS.map((at) => `(anonymous names.mjs:${(columns ? at : at.slice(0, 1)).join(':')})`);

/** All places of the app's own files that one or more profiles have. */
class Seen {
  readonly addresses = new Map<string, Set<number>>();
  readonly names = new Set<string>();

  add({ places }: DecodedProfile): this {
    for (const { name, file, line, address } of places) {
      if (!/\/names(-birds|-spend)?\.\w+$/.test(file)) continue;
      this.names.add(name);
      const key = `${bare(name)} ${file}:${line}`;
      this.addresses.set(key, (this.addresses.get(key) ?? new Set()).add(address));
    }
    return this;
  }

  missing(expected: readonly string[]): string[] {
    return expected.filter((name) => !this.names.has(name));
  }
}

describe.each(['pprof', 'inspector'])('the names in profiles by %s', (sampler) => {
  let app: Workload;
  beforeAll(async () => {
    app = await startWorkload('names.mjs', { env: { SAMPLER: sampler, MEM_RATE: '1024' } });
  });
  afterAll(() => TestProcess.stopAll());

  // pprof's CPU profiles have lines and no columns.
  describe.each([
    { path: 'profile?seconds=1&hz=1000', anonymous: anonymousNames(sampler === 'inspector') },
    ...(sampler === 'pprof' ? [{ path: 'heap', anonymous: anonymousNames(true) }] : []),
  ])('/$path', ({ path, anonymous }) => {
    const known = new Seen();
    const plain = new Seen();
    const placesInBoth = (name: string): string[] =>
      [...known.addresses.keys()].filter(
        (place) => place.startsWith(`${name} `) && plain.addresses.has(place),
      );

    beforeAll(async () => {
      await app.post('filled');
      const expected = [...METHODS, ...NAMESAKES, ...WITHOUT_CLASS, ...anonymous];
      await until(
        async () => known.add(await app.profile(path)),
        (seen) => seen.missing(expected),
      );
      await until(
        async () => plain.add(await app.profile(path, app.urls[1])),
        () => METHODS.map(bare).filter((name) => placesInBoth(name).length === 0),
      );
    });

    it('always show methods of classes that Nest knows as Class.method', () => {
      const methods = new Set(METHODS.map(bare));
      expect([...known.names].filter((name) => methods.has(name))).toEqual([]);
    });

    it('show no class where Nest does not know it or several classes share the function', () => {
      const classes = [...known.names].filter(
        (name) => WITHOUT_CLASS.includes(bare(name)) && name.includes('.'),
      );
      expect(classes).toEqual([]);
      expect([...known.names].filter((name) => bare(name) === 'purr').sort()).toEqual(NAMESAKES);
    });

    it('show no class in an application whose modules do not have it', () => {
      expect([...plain.names].filter((name) => METHODS.includes(name) || NAMESAKES[0] === name)).toEqual([]);
    });

    it('do not change addresses: a method has the same one with and without its class', () => {
      const places = METHODS.map(bare).flatMap(placesInBoth);
      expect(places.map((place) => known.addresses.get(place))).toEqual(
        places.map((place) => plain.addresses.get(place)),
      );
    });
  });

  describeGo(`go tool pprof on /heap by ${sampler}`, () => {
    it('-top shows names as they are, and -peek finds a method by its class', async () => {
      await app.post('filled');
      const file = profileFile(`names-${sampler}.pb.gz`, (await app.download('heap')).bytes);
      const [top, peek] = await Promise.all([
        goPprof('-top', '-nodecount=100000', '-nodefraction=0', file),
        goPprof('-peek', '^CatsService\\.findOne$', file),
      ]);
      const names = topRows(top!);
      expect(METHODS.filter((name) => !names.has(name))).toEqual([]);
      expect(peek).toMatch(/\| +CatsService\.findOne$/m);
      expect(peek).not.toContain('DogsService.findOne');
    });
  });
});
