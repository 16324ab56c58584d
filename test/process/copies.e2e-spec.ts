import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { DecodedProfile } from '../support/decoded-profile.js';
import { HOLDS_LITTLE, linesWith, startWorkload, TestProcess } from '../support/process.js';

const { MEM_RATE } = HOLDS_LITTLE;

const WARNING = `memProfileRate 65536 has no effect: V8 has one heap sampler, which already runs with rate ${MEM_RATE}`;

/** Each sampler once, each copy once as the one that closes first, and the same rate or different ones. */
const ROWS = [
  { sampler: 'pprof', otherRate: '65536', warnings: [WARNING], close: 'closeFirst', closed: 0 },
  { sampler: 'inspector', otherRate: MEM_RATE, warnings: [], close: 'closeSecond', closed: 1 },
];

describe.each(ROWS)(
  'the ESM and the CommonJS copy in one process, sampling by $sampler',
  ({ sampler, otherRate, warnings, close, closed }) => {
    let logged: readonly string[];
    let heaps: readonly DecodedProfile[];
    /** What one copy replies to the addresses in a profile of the other, before it has read one. */
    let symbols: string;
    /** The first reply to two requests for a CPU profile at the same time. */
    let first: { status: number; text: string };
    let reachable: readonly boolean[];
    let afterClose: DecodedProfile;

    beforeAll(async () => {
      const env = { ...HOLDS_LITTLE, SAMPLER: sampler, OTHER_MEM_RATE: otherRate };
      const app = await startWorkload('two-copies.mjs', { env });
      logged = linesWith(app.process.output, 'WARN');
      const stays = app.urls[1 - closed]!;
      await app.post('hold', stays);
      const fromBoth = <T>(ask: (url: string) => Promise<T>): Promise<T[]> => Promise.all(app.urls.map(ask));
      const heap = await app.profile('heap?gc=1');
      const words = heap.places.map(({ address }) => `0x${address.toString(16)}`).join('+');
      symbols = await fetch(app.pprof(`symbol?${words}`, app.urls[1])).then((answer) => answer.text());
      heaps = [heap, await app.profile('heap?gc=1', app.urls[1])];
      const client = new AbortController();
      const captures = app.urls.map(async (url) => {
        const answer = await fetch(app.pprof('profile?seconds=300', url), { signal: client.signal });
        return { status: answer.status, text: await answer.text() };
      });
      first = await Promise.race(captures);
      client.abort();
      await Promise.allSettled(captures);
      await app.post(close, stays);
      reachable = await fromBoth((url) =>
        fetch(app.pprof('heap', url)).then(
          () => true,
          () => false,
        ),
      );
      afterClose = await app.profile('heap?gc=1', stays);
    });
    afterAll(() => TestProcess.stopAll());

    it(`sample the heap at the rate of the first, and log ${warnings.length} warnings: ${MEM_RATE} and ${otherRate}`, () => {
      expect(logged).toEqual(warnings.map((warning) => expect.stringContaining(warning)));
      expect(heaps.map(({ period }) => period)).toEqual([Number(MEM_RATE), Number(MEM_RATE)]);
    });

    it('share the symbols: each knows the functions at the addresses in profiles of the other', () => {
      const known = symbols.match(/(?<=^0x[0-9a-f]+ ).+$/gm);
      expect(known).toEqual(heaps[0]!.places.map(({ name }) => name.replace(/^<(.*)>$/, '($1)')));
      expect(known).toContain('holdObjects');
    });

    it('take one CPU profile at a time', () => {
      expect(first).toEqual({
        status: 500,
        text: expect.stringContaining('cpu profiling already in use'),
      });
    });

    it(`share the heap sampler: after ${close} the other copy still shows what was held before`, () => {
      expect(heaps.map(showsHeld)).toEqual([true, true]);
      expect(reachable.indexOf(false)).toBe(closed);
      expect(showsHeld(afterClose)).toBe(true);
    });
  },
);

const showsHeld = (profile: DecodedProfile): boolean => profile.flat('inuse_space', 'holdObjects') > 0;
