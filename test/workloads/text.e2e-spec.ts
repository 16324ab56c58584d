import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { amount, describeGo, goPprof, profileFile, runGoPprof, topRows } from '../support/go.js';
import { describeNginx, startNginx } from '../support/nginx.js';
import { DecodedProfile, startWorkload, TestProcess, type Workload } from '../support/process.js';

const MB = 2 ** 20;
const RATE = 32_768;
const TOLERANCE = 0.1;

/** What is held, and shown. */
const HELD = 30 * MB;

const SAMPLERS = ['pprof', 'inspector'];

const EVENLY = '--sampling-heap-profiler-suppress-randomness';

interface Place {
  readonly at: string;
  readonly env: Record<string, string>;
  readonly path: string;
  /** What clients ask for names, beside the profile: `symbolz` where the path has no `/debug/pprof/`. */
  readonly symbol: string;
}

const OWN_PATH = { PPROF_PATH: 'ops/profiles' };
const PREFIX = { PREFIX: 'api/v1' };
const PLACES: Place[] = [
  { at: 'the default path', env: {}, path: 'debug/pprof', symbol: 'symbol' },
  { at: 'a path of its own', env: OWN_PATH, path: 'ops/profiles', symbol: 'symbolz' },
  { at: 'a global prefix', env: PREFIX, path: 'api/v1/debug/pprof', symbol: 'symbol' },
  {
    at: 'both of these',
    env: { ...OWN_PATH, ...PREFIX },
    path: 'api/v1/ops/profiles',
    symbol: 'symbolz',
  },
];

describe.each(SAMPLERS)('the text of a heap by %s', (sampler) => {
  describe.each(PLACES)('at $at', (place) => {
    const { env, path, symbol } = place;
    let app: Workload;
    beforeAll(async () => {
      app = await startHolding(sampler, env);
    });
    afterAll(() => TestProcess.stopAll());

    it('has addresses that have names', async () => {
      const text = await (await fetch(`${app.url}/${path}/heap?debug=1`)).text();
      const stacks = [...text.matchAll(/^\d+: .* @((?: 0x[0-9a-f]+)*)$/gm)].map(([, stack]) => stack!);
      const addresses = new Set(
        stacks.flatMap((stack) => stack.match(/0x[0-9a-f]+/g)!.map((at) => Number(at) - 1)),
      );
      expect(addresses.size).toBeGreaterThan(20);
      // As clients ask, with all at once.
      const body = [...addresses].map((address) => `0x${address.toString(16)}`).join('+');
      const answer = await fetch(`${app.url}/${path}/${symbol}`, {
        method: 'POST',
        headers: { 'content-type': 'application/octet-stream' },
        body,
      });
      const lines = (await answer.text()).matchAll(/^(0x[0-9a-f]+)\s+(.*)\n/gm);
      const names = new Map([...lines].map(([, address, name]) => [Number(address), name!]));
      expect([...addresses].filter((address) => !names.has(address))).toEqual([]);
      expect([...names.values()]).toEqual(expect.arrayContaining(['holdObjects', '(external)']));
    });

    describeGo('go tool pprof', () => {
      it('asks for the names', async () => {
        const rows = topRows(await goPprof('-top', `${app.url}/${path}/heap?gc=1&debug=1`));
        expect(off(amount(rows.get('holdObjects')!.flat), HELD)).toBeLessThan(TOLERANCE);
        expect(nameless(rows)).toEqual([]);
      });
    });
  });

  describe('whatever is in it', () => {
    let app: Workload;
    beforeAll(async () => {
      app = await startHolding(sampler);
    });
    afterAll(() => TestProcess.stopAll());

    it('ends with what Node knows of its memory, under the names of Go', async () => {
      const answer = await fetch(app.pprof('heap?debug=1'));
      expect(answer.headers.get('content-type')).toBe('text/plain; charset=utf-8');
      const text = await answer.text();
      expect(text).toMatch(/^heap profile: \d+: \d+ \[\d+: \d+\] @ heap\/65536\n/);
      expect(text).toMatch(/\n#\t0x[0-9a-f]+\t+holdObjects\+0x[0-9a-f]+\t+\S+hold\.cjs:\d+\n/);
      const [, statistics] = text.split('\n# runtime.MemStats\n');
      const figures = new Map(
        [...statistics!.matchAll(/^# (\S+) = (\d+)$/gm)].map(([, name, figure]) => [name, Number(figure)]),
      );
      expect(figures.get('HeapAlloc')).toBeGreaterThan(HELD);
      expect(figures.get('HeapSys')).toBeGreaterThan(figures.get('HeapAlloc')!);
      expect(statistics).toMatch(/# MaxRSS = \d+\n$/);
    });

    describeGo('go tool pprof', () => {
      it('asks for the names of allocs, whose text is that of heap', async () => {
        const rows = topRows(await goPprof('-top', '-sample_index=alloc_space', app.pprof('allocs?debug=1')));
        expect(off(amount(rows.get('holdObjects')!.flat), HELD)).toBeLessThan(TOLERANCE);
        expect(nameless(rows)).toEqual([]);
      });

      it('reads the same from both forms of one capture', async () => {
        const { binary, text } = await app.post<{ binary: string; text: string }>('bothForms');
        const bytes = Buffer.from(binary, 'base64');
        const files = [
          profileFile(`${sampler}-form.pb.gz`, bytes),
          profileFile(`${sampler}-form.txt`, Buffer.from(text)),
        ];
        const { sampleTypes } = new DecodedProfile(bytes);
        for (const type of sampleTypes) {
          const [fromBinary, fromText] = await Promise.all(files.map((file) => totalOf(file, type)));
          // The text has whole samples, which clients scale up: each of them may be off by its rounding.
          expect(off(fromText!, fromBinary!)).toBeLessThan(0.005);
        }
      });

      // Clients drop from a text of a heap what they take for functions of an allocator, and what these call.
      it('leaves out a function that is called allocate, and shows its memory at the caller', async () => {
        const { bytes } = await app.post<{ bytes: number }>('hidden');
        const [binary, text] = await Promise.all(
          ['heap', 'heap?debug=1'].map(async (path) => topRows(await goPprof('-top', app.pprof(path)))),
        );
        expect(off(amount(binary!.get('allocate')!.flat), bytes)).toBeLessThan(TOLERANCE);
        expect([...text!.keys()]).not.toContain('allocate');
        expect(off(amount(text!.get('callAllocate')!.flat), bytes)).toBeLessThan(TOLERANCE);
      });

      it('asks for the names of what is no code too', async () => {
        await app.profile('allocs?seconds=1'); // which makes V8 forget
        const rows = topRows(
          await goPprof('-top', '-nodefraction=0', '-nodecount=10000', app.pprof('heap?debug=1')),
        );
        expect([...rows.keys()]).toEqual(
          expect.arrayContaining(['(external)', expect.stringMatching(/^\(allocated before .+\)$/)]),
        );
        expect(nameless(rows)).toEqual([]);
      });
    });
  });
});

describeGo('go tool pprof', () => {
  describeNginx('behind nginx', () => {
    afterEach(() => TestProcess.stopAll());

    it.each(['express', 'fastify'])('asks with a prefix of its own, on %s', async (ADAPTER) => {
      const app = await startHolding('inspector', { ADAPTER });
      const { prefixed } = await startNginx({
        prefixed: `location /cats/ { proxy_pass ${app.url}/; }`,
      });
      const rows = topRows(await goPprof('-top', `${prefixed}/cats/debug/pprof/heap?debug=1`));
      expect(off(amount(rows.get('holdObjects')!.flat), HELD)).toBeLessThan(TOLERANCE);
      expect(nameless(rows)).toEqual([]);
    });
  });
});

async function startHolding(sampler: string, env: Record<string, string> = {}): Promise<Workload> {
  const app = await startWorkload('allocs.mjs', {
    env: { SAMPLER: sampler, MEM_RATE: `${RATE}`, OBJECTS: `${HELD / 1024}`, ...env },
    flags: [EVENLY],
  });
  await app.post('hold', env.PREFIX ? `${app.url}/${env.PREFIX}` : app.url);
  return app;
}

/** What has kept its address, or is told by its mapping alone: `[node]`, but not the method `[Symbol.iterator]`. */
function nameless(rows: ReadonlyMap<string, unknown>): string[] {
  return [...rows.keys()].filter((name) => /^(0x|\[(?!Symbol\.)|<unknown>)/.test(name));
}

/** Of all samples, as the client adds them up. */
async function totalOf(file: string, type: string): Promise<number> {
  const { output } = await runGoPprof('-top', '-symbolize=none', '-unit=B', `-sample_index=${type}`, file);
  const [, total] = /% of (\d+)B? total/.exec(output)!;
  return Number(total);
}

/** How far off a measured value is, as a part of what it should be. */
function off(measured: number, expected: number): number {
  return Math.abs(measured / expected - 1);
}
