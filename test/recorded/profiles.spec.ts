import { describe, expect, it } from '@jest/globals';
import { expectGolden, profileText } from './golden.js';
import { CPU_SOURCES, HEAP_SOURCES, onEachNode, recording } from './recordings.js';
import { replayCpu, replayHeap } from './replay.js';

describe('what V8 answered, made a profile and decoded by pprof-format, is the golden text', () => {
  it.each(onEachNode(CPU_SOURCES))('$source of Node $node', async ({ source, node }) => {
    const { profile } = await replayCpu(source, recording(source, node));
    expectGolden(`node-${node}-${source}.txt`, profileText(profile));
    expect(profile.sampleTypes).toEqual(['samples', 'cpu']);
  });

  it.each(onEachNode(HEAP_SOURCES))('$source of Node $node', async ({ source, node }) => {
    const { profile } = await replayHeap(source, recording(source, node));
    expectGolden(`node-${node}-${source}.txt`, profileText(profile));
    expect(profile.durationNanos).toBe(0);
  });
});
