import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ProfilerService } from '../../src/index.js';
import { ADAPTERS, type AppSetup, closeApps, startApp, type TestApp } from '../support/app.js';
import { checkRow, type ContractRow, file, HEAD, text } from '../support/contract.js';
import { DecodedProfile } from '../support/decoded-profile.js';
import { describeGo } from '../support/go.js';
import { request } from '../support/http.js';
import { goPprofProto } from '../support/made-up-profile.js';

const PROFILES = ['heap', 'allocs'];

/** Of every object: then the values of text are those of the binary form. */
const EVERY_BYTE = { memProfileRate: 1 };

/** Where clients look for `symbol` beside a profile, and where for `symbolz`. */
const PLACES = [
  { path: 'debug/pprof', prefix: '', symbol: 'symbol' },
  { path: 'debug/pprof', prefix: 'api/v1', symbol: 'symbol' },
  { path: 'ops/profiles', prefix: '', symbol: 'symbolz' },
  { path: 'ops/profiles', prefix: 'api/v1', symbol: 'symbolz' },
];

type Place = Pick<(typeof PLACES)[number], 'path' | 'prefix'>;

const setupOf = ({ path, prefix }: Place): AppSetup => ({
  pprof: { ...EVERY_BYTE, path },
  configure: (app) => prefix && app.setGlobalPrefix(prefix),
});

const addressOf = (url: string, { path, prefix }: Place): string =>
  [url, prefix, path].filter(Boolean).join('/');

const CONTRACT: readonly ContractRow[] = PROFILES.flatMap((name) => [
  ...['1', '2', '-1', '%2B1', '99999999999999999999', '-99999999999999999999', '1&debug=0', '1&gc=1'].map(
    (debug) => text(`/${name}?debug=${debug}`, "Go's text", { text: /^heap profile: / }),
  ),
  text(`/${name}?debug=1`, 'HEAD sends the same headers', HEAD),
  text(`/${name}?debug=1`, 'no compression', {
    text: /^heap profile: /,
    headers: { 'accept-encoding': 'gzip' },
  }),
  ...['', '0', 'x', '1.5', '0x1', '+1', '0&debug=1', '1;x=2'].map((debug) =>
    file(`/${name}?debug=${debug}`, name, 'debug that is no number means 0'),
  ),
]);

describe.each(ADAPTERS)('the text of heap and allocs on %s', (adapter) => {
  describe('at the default path', () => {
    let app: TestApp;
    beforeAll(async () => {
      app = await startApp(adapter, { pprof: EVERY_BYTE });
    });
    afterAll(closeApps);

    it.each(CONTRACT)('$title', (row) => expect(checkRow(app.base, row)).resolves.toBeUndefined());

    it.each(PROFILES)('%s?debug=1 has stacks by bytes in use, each with its functions', async (name) => {
      const body = (await textOf(`${app.base}/${name}`)).replaceAll(/(?<!\+)0x[0-9a-f]+/g, '0x');
      expect(body).toMatch(/^heap profile: \d+: \d+ \[\d+: \d+\] @ heap\/2\n/);
      const ofMain = ['1: 1048576 [1: 1048576] @ 0x', '#\t0x\tmain+0x0\t/app/cats.js:1'];
      const ofHold = [
        '2048: 2097152 [2048: 2097152] @ 0x 0x',
        '#\t0x\thold+0x0\t/app/cats.js:30',
        '#\t0x\tmain+0x0\t/app/cats.js:1',
      ];
      const stacks = body.match(/\n.* @ (?:.+\n)+/g)!.map((stack) => stack.trim().split('\n'));
      const onHeap = stacks.filter(([, first]) => first!.includes('/app/'));
      expect(onHeap).toEqual([ofMain, ofHold]);
    });

    it.each(PROFILES)("%s?debug=1 ends with Node's figures under Go's names", async (name) => {
      const [, statistics] = (await textOf(`${app.base}/${name}`)).split('\n\n# runtime.MemStats\n');
      const figures = statistics!.match(/.*\n/g)!.map((line) => /^# ([\w.]+) = (\d+)\n$/.exec(line)?.[1]);
      expect(figures).toEqual(
        expect.arrayContaining(['Alloc', 'Sys', 'HeapAlloc', 'HeapSys', 'HeapIdle', 'HeapInuse']),
      );
      expect(figures).toEqual(
        expect.arrayContaining(['memoryUsage.external', 'memoryUsage.arrayBuffers', 'v8.heap_size_limit']),
      );
      expect(figures.at(-1)).toBe('MaxRSS');
      expect(figures).not.toContain(undefined);
    });

    it('symbol knows every address of binary profiles too', async () => {
      const cpu = await app.app.get(ProfilerService).cpuProfile({ seconds: 0.001 });
      const bodies = await Promise.all(PROFILES.map((name) => request(`${app.base}/${name}`)));
      for (const bytes of [await cpu.encode(), ...bodies.map(({ body }) => body)]) {
        const { places } = new DecodedProfile(bytes);
        const names = new Map(places.map(({ address, name }) => [address, name]));
        expect(await symbolized(`${app.base}/symbol`, [...names.keys()])).toEqual(names);
      }
    });
  });

  describe('at other paths', () => {
    afterEach(closeApps);

    it.each(PLACES)('path $path with the prefix "$prefix": $symbol names every address', async (place) => {
      const { url } = await startApp(adapter, setupOf(place));
      const base = addressOf(url, place);
      for (const name of PROFILES) {
        const body = await textOf(`${base}/${name}`);
        const printed = [...body.matchAll(/^\d+: .* @(.*)$/gm)].flatMap(([, stack]) =>
          stack!
            .trim()
            .split(' ')
            .map((address) => Number(address) - 1),
        );
        const comments = [...body.matchAll(/^#\t(0x[0-9a-f]+)\t+(.+?)(?:\+0x0\t.*)?$/gm)];
        const names = new Map(comments.map(([, address, name]) => [Number(address), name!]));
        expect([...names.values()]).toEqual(expect.arrayContaining(['hold', 'main', '(external)']));
        expect(new Set(printed)).toEqual(new Set(names.keys()));
        expect(await symbolized(`${base}/${place.symbol}`, printed)).toEqual(names);
      }
    });

    describeGo('go tool pprof', () => {
      it.each([
        { ...PLACES[0]!, name: 'heap' },
        { ...PLACES[1]!, name: 'allocs' },
      ])(
        'path $path with the prefix "$prefix": it fetches $name?debug=1 and names, and finds the totals of the binary form',
        async ({ name, ...place }) => {
          const { url } = await startApp(adapter, setupOf(place));
          const address = `${addressOf(url, place)}/${name}`;
          const fromText = await goPprofProto(`${address}?debug=1`);
          const binary = await goPprofProto(address);
          expect(namesIn(fromText)).toEqual(namesIn(binary));
          expect(onHeap(fromText)).toEqual(onHeap(binary));
          expect(onHeap(binary)).toMatchObject({ 'inuse_space flat hold': 2 ** 21 });
        },
      );
    });
  });
});

const textOf = async (address: string): Promise<string> => (await request(`${address}?debug=1`)).text;

/** The names of addresses, asked for and read as `go tool pprof` does. */
async function symbolized(address: string, addresses: readonly number[]): Promise<Map<number, string>> {
  const { text } = await request(address, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream' },
    body: addresses.map((one) => `0x${one.toString(16)}`).join('+'),
  });
  const lines = text.matchAll(/^(0x[0-9a-f]+)\s+(.*)\n/gm);
  return new Map([...lines].map(([, one, name]) => [Number(one), name!]));
}

const namesIn = ({ samples }: DecodedProfile): string[] =>
  [...new Set(samples.flatMap(({ stack }) => stack))].toSorted();

/** The values of functions; what is outside of the heap differs from one reading to the next. */
function onHeap(profile: DecodedProfile): Record<string, number> {
  const values = ['hold', 'main'].flatMap((name) =>
    profile.sampleTypes.flatMap((type) => [
      [`${type} flat ${name}`, profile.flat(type, name)],
      [`${type} cumulative ${name}`, profile.cumulative(type, name)],
    ]),
  );
  return Object.fromEntries(values) as Record<string, number>;
}
