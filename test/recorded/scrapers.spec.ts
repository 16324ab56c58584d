import { describe, expect, it } from '@jest/globals';
import { SCRAPER_RULES } from '../support/scraper-rules.js';
import type { DecodedProfile } from '../support/decoded-profile.js';
import { CPU_SOURCES, HEAP_SOURCES, onEachNode, recording } from './recordings.js';
import { replayCpu, replayHeap } from './replay.js';

const brokenBy = ({ raw }: DecodedProfile): string[] =>
  SCRAPER_RULES.filter(({ holds }) => !holds(raw)).map(({ title }) => title);

describe('a recording of V8, encoded, keeps the rules of scrapers', () => {
  it.each(onEachNode(CPU_SOURCES))('CPU samples, $source of Node $node', async ({ source, node }) => {
    expect(brokenBy((await replayCpu(source, recording(source, node))).profile)).toEqual([]);
  });

  it.each(onEachNode(HEAP_SOURCES))('heap samples, $source of Node $node', async ({ source, node }) => {
    expect(brokenBy((await replayHeap(source, recording(source, node))).profile)).toEqual([]);
  });
});
