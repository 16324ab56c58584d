import { basename, join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import type { DecodedProfile } from '../support/decoded-profile.js';
import { type DecodedFrame, framesOf } from './golden.js';
import { type RawHits, rawHits, rawObjects, sumOf } from './raw-values.js';
import { CPU_SOURCES, HEAP_SOURCES, lineWith, onEachNode, PROGRAM, recording } from './recordings.js';
import { replayCpu, replayHeap } from './replay.js';

/** Loops of the program. TypeScript has one on one line, of which its compiler makes two. */
const LOOPS = [
  { of: 'hotA', source: 'main.ts', script: 'main.js', text: '% 1021' },
  { of: 'hotB', source: 'main.ts', script: 'main.js', text: '% 1031' },
  { of: 'CatsService.findOne', source: 'cats.ts', script: 'cats.js', text: '% 1009' },
  { of: 'findOne of Namesake', source: 'cats.ts', script: 'cats.js', text: '% 1013' },
  { of: 'findOne of Dogs, in CommonJS', source: 'dogs.cts', script: 'dogs.cjs', text: '% 1019' },
  { of: 'spend', source: 'spend.ts', script: 'spend.js', text: '% 997' },
];

describe.each(onEachNode(CPU_SOURCES))('lines of CPU samples by $source, Node $node', ({ source, node }) => {
  const recorded = recording(source, node);
  let profile: DecodedProfile;
  let frames: DecodedFrame[][];
  beforeAll(async () => {
    ({ profile } = await replayCpu(source, recorded));
    frames = framesOf(profile);
  });

  it('a loop in one line of TypeScript has the samples of its two lines of JavaScript', () => {
    const hits = rawHits(source, recorded);
    const expected = LOOPS.map(({ of, script, text }) => {
      const end = lineWith(script, text);
      const isLoop = ({ file, line }: RawHits): boolean => file === script && [end - 1, end].includes(line);
      return [of, sumOf(hits.filter(isLoop), (one) => one.hits)] as const;
    });
    const found = LOOPS.map(({ of, source, text }) => [
      of,
      leafTotal(profile, 'samples', source, lineWith(source, text)),
    ]);
    expect(found).toEqual(expected);
    expect(expected.filter(([, samples]) => samples < 5)).toEqual([]);
  });

  it('an anonymous function is named by the line where it begins, or that executes where pprof says no other', () => {
    const [begins, spends] = ['call((rounds) =>', '% 1033'].map((text) => lineWith('main.ts', text));
    const leaves = frames.map(([leaf]) => leaf!);
    const { name } = leaves.find((leaf) => isAt(leaf, 'main.ts', spends!))!;
    const expected =
      source === 'pprof-cpu' ? `(anonymous main.ts:${spends})` : `(anonymous main.ts:${begins}:`;
    expect(name.slice(0, expected.length)).toBe(expected);
  });

  it(`a caller has the line ${source === 'pprof-cpu' ? 'of the call' : 'where it begins'}`, () => {
    const callers = frames.flatMap(([leaf, caller]) => (leaf?.name === 'hotB' ? [caller!] : []));
    const line = lineWith('main.ts', source === 'pprof-cpu' ? '+= hotB(' : 'function compute');
    expect(callers.length).toBeGreaterThan(0);
    expect(callers.filter((caller) => caller.name !== 'compute' || !isAt(caller, 'main.ts', line))).toEqual(
      [],
    );
  });

  it('no frame of the program is left in its JavaScript', () => {
    const files = profile.places.map(({ file }) => file).filter((file) => file.startsWith(PROGRAM));
    expect(new Set(files.map((file) => basename(file)))).toEqual(
      new Set(['main.ts', 'cats.ts', 'spend.ts', 'dogs.cts']),
    );
  });
});

describe.each(onEachNode(HEAP_SOURCES))(
  'lines of heap samples by $source, Node $node',
  ({ source, node }) => {
    it('are those where functions begin in TypeScript, with the bytes of the JavaScript line', async () => {
      const recorded = recording(source, node);
      const { profile } = await replayHeap(source, recorded);
      const objects = rawObjects(source, recorded);
      for (const [text, script] of [
        ['({ i })', 'main.js'],
        ['whiskers: [i]', 'cats.js'],
      ] as const) {
        const begins = lineWith(script, text);
        const bytes = sumOf(objects, ({ file, line, bytes }) =>
          file === script && line === begins ? bytes : 0,
        );
        const file = script.replace('.js', '.ts');
        expect(bytes).toBeGreaterThan(10_000);
        expect(leafTotal(profile, 'inuse_space', file, lineWith(file, text))).toBe(bytes);
      }
    });
  },
);

function isAt(frame: DecodedFrame, file: string, line: number): boolean {
  return frame.file === join(PROGRAM, file) && frame.line === line;
}

/** Of the samples whose leaf is at that line. */
function leafTotal(profile: DecodedProfile, type: string, file: string, line: number): number {
  const leaves = framesOf(profile).map(([leaf]) => leaf!);
  return sumOf(
    profile.samples.filter((_, i) => isAt(leaves[i]!, file, line)),
    ({ values }) => values[type]!,
  );
}
