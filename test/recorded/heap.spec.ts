import { beforeAll, describe, expect, it } from '@jest/globals';
import { rawObjects, sumOf } from './raw-values.js';
import { HEAP_SOURCES, NODES, onEachNode, recording } from './recordings.js';
import { replayHeap, type Replayed } from './replay.js';

/** Functions of the program by whose name V8 knows what they hold, and a builtin of V8 that they call. */
const HOLDERS = ['from', 'push', 'keep', 'hold'];

describe.each(onEachNode(HEAP_SOURCES))('the heap by $source, Node $node', ({ source, node }) => {
  const recorded = recording(source, node);
  const objects = rawObjects(source, recorded).filter(({ bytes }) => bytes > 0);
  let replayed: Replayed;
  beforeAll(async () => {
    replayed = await replayHeap(source, recorded);
  });
  const inHeap = (type: string): number =>
    sumOf(replayed.profile.samples, ({ stack, values }) =>
      /^\((ext|Arr)/.test(stack[0]!) ? 0 : values[type]!,
    );

  it('has the bytes that V8 tells, in all and by function', () => {
    expect(inHeap('inuse_space')).toBe(sumOf(objects, ({ bytes }) => bytes));
    const bytes = HOLDERS.map((name) => [name, sumOf(objects, (one) => (one.name === name ? one.bytes : 0))]);
    const shown = HOLDERS.map((name) => [
      name,
      sumOf([name, `CatsService.${name}`], (one) => replayed.profile.flat('inuse_space', one)),
    ]);
    expect(shown).toEqual(bytes);
  });

  it('has the size of its objects as their label, to within a sixteenth', () => {
    const { raw, samples } = replayed.profile;
    samples.forEach(({ stack, values: { inuse_objects, inuse_space } }, i) => {
      const size = inuse_space! / inuse_objects!;
      const label = Number(raw.sample[i]!.label[0]?.num ?? size);
      expect([stack, Math.abs(label - size) / size <= 1 / 16]).toEqual([stack, true]);
    });
  });

  it('has allocated what is in use, at its first reading', () => {
    expect(replayed.profile.sampleTypes).toEqual([
      'alloc_objects',
      'alloc_space',
      'inuse_objects',
      'inuse_space',
    ]);
    for (const name of [...HOLDERS, 'CatsService.keep']) {
      const [allocated, inUse] = [
        replayed.profile.flat('alloc_space', name),
        replayed.profile.flat('inuse_space', name),
      ];
      expect([name, Math.abs(allocated - inUse) <= inUse / 20]).toEqual([name, true]); // V8 rounds numbers of objects
    }
  });

  it('has what the process holds outside of the heap', () => {
    const { external, arrayBuffers } = recorded.memory;
    expect(replayed.profile.flat('inuse_space', '(external)')).toBe(external - arrayBuffers);
    expect(replayed.profile.flat('inuse_space', '(ArrayBuffers)')).toBe(arrayBuffers);
  });
});

describe.each(NODES)('the heap by pprof, Node %d', (node) => {
  it('has the number of objects that V8 tells', async () => {
    const recorded = recording('pprof-heap', node);
    const { profile } = await replayHeap('pprof-heap', recorded);
    const outside = 2; // (external) and (ArrayBuffers)
    const counted = sumOf(rawObjects('pprof-heap', recorded), ({ count }) => count!);
    expect(profile.total('inuse_objects') - outside).toBe(counted);
  });
});

describe.each(NODES)('the heap by the inspector, Node %d', (node) => {
  it('has object sizes of which V8 makes the sizes of its samples', async () => {
    const { profile } = await replayHeap('inspector-heap', recording('inspector-heap', node));
    const inHeap = profile.samples.filter(({ stack }) => !/^\((ext|Arr)/.test(stack[0]!));
    const wrong = inHeap.filter(({ values: { inuse_objects, inuse_space } }) => {
      const size = inuse_space! / inuse_objects!;
      const objectsOfSample = Math.round(1 / (1 - Math.exp(-size / 8192)));
      return !Number.isInteger(inuse_objects! / objectsOfSample);
    });
    expect(wrong).toEqual([]);
  });
});
