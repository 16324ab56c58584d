import { basename, dirname } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { DecodedProfile } from '../support/decoded-profile.js';
import { Namesake } from '../fixtures/program/cats.js';
import { rawHits, rawObjects, sumOf } from './raw-values.js';
import { CPU_SOURCES, HEAP_SOURCES, linesWith, onEachNode, PROGRAM, recording } from './recordings.js';
import { replayCpu, replayHeap } from './replay.js';

/** Lines of cats.js, from which on the methods of the class stand. */
const [, cats, namesake] = linesWith('cats.js', 'export class');

describe.each(onEachNode(CPU_SOURCES))(
  'class names in CPU samples by $source, Node $node',
  ({ source, node }) => {
    const recorded = recording(source, node);

    it('are given to the methods of an injectable class and the one that it extends, and to no namesake', async () => {
      const { profile } = await replayCpu(source, recorded);
      expect(methodsIn(profile)).toEqual([
        'cats.ts AnimalsService.inherited',
        'cats.ts CatsService.findOne',
        'cats.ts findOne',
        'dogs.cts findOne',
      ]);
    });

    it('keep the samples of a method apart from those of its namesakes', async () => {
      const { profile } = await replayCpu(source, recorded);
      const hits = rawHits(source, recorded).filter(({ name }) => name === 'findOne');
      const [own, others] = [hits.filter(isInCatsService), hits.filter((one) => !isInCatsService(one))].map(
        (some) => sumOf(some, (one) => one.hits),
      );
      expect(own).toBeGreaterThan(0);
      expect({
        'CatsService.findOne': profile.flat('samples', 'CatsService.findOne'),
        findOne: profile.flat('samples', 'findOne'),
      }).toEqual({ 'CatsService.findOne': own, findOne: others });
    });

    it('follow what Nest makes instances of', async () => {
      const { profile } = await replayCpu(source, recorded, { injectable: [Namesake] });
      expect(methodsIn(profile)).toEqual([
        'cats.ts Namesake.findOne',
        'cats.ts findOne',
        'cats.ts inherited',
        'dogs.cts findOne',
      ]);
    });
  },
);

describe.each(onEachNode(HEAP_SOURCES))(
  'class names in heap samples by $source, Node $node',
  ({ source, node }) => {
    it('keep the bytes of a method apart from those of its namesake', async () => {
      const recorded = recording(source, node);
      const { profile } = await replayHeap(source, recorded);
      const own = sumOf(rawObjects(source, recorded), (one) =>
        one.name === 'keep' && isInCatsService(one) ? one.bytes : 0,
      );
      expect(own).toBeGreaterThan(0);
      expect(profile.flat('inuse_space', 'CatsService.keep')).toBe(own);
      expect(methodsIn(profile)).toEqual(['cats.ts CatsService.keep', 'cats.ts keep']);
    });
  },
);

function isInCatsService({ file, line }: { readonly file: string; readonly line: number }): boolean {
  return file === 'cats.js' && line > cats! && line < namesake!;
}

/** Methods of the program's classes, as the profile names them. */
function methodsIn(profile: DecodedProfile): string[] {
  const names = profile.places
    .filter(({ file, name }) => dirname(file) === PROGRAM && /(^|\.)(findOne|inherited|keep)$/.test(name))
    .map(({ file, name }) => `${basename(file)} ${name}`);
  return [...new Set(names)].toSorted();
}
