import { describe, expect, it } from '@jest/globals';
import { golden, profileText } from './golden.js';
import { CPU_SOURCES, HEAP_SOURCES, onEachNode, recording } from './recordings.js';
import { replayCpu, replayHeap } from './replay.js';

describe('a recording of V8, encoded and decoded by pprof-format, is its golden text', () => {
  it.each(onEachNode(CPU_SOURCES))('CPU samples, $source of Node $node', async ({ source, node }) => {
    const text = profileText((await replayCpu(source, recording(source, node))).profile);
    expect(text).toBe(golden(`node-${node}-${source}.txt`, text));
  });

  it.each(onEachNode(HEAP_SOURCES))('heap samples, $source of Node $node', async ({ source, node }) => {
    const text = profileText((await replayHeap(source, recording(source, node))).profile);
    expect(text).toBe(golden(`node-${node}-${source}.txt`, text));
  });
});
