import type { Profiler } from 'node:inspector';
import { describe, expect, it } from '@jest/globals';
import type { SamplingHeapProfile } from '../../src/sampling/inspector-heap-samples.js';
import { rawHits, rawObjects, sumOf } from './raw-values.js';
import { CPU_SOURCES, HEAP_SOURCES, lineWith, onEachNode, recording } from './recordings.js';
import { replayCpu, replayHeap } from './replay.js';

describe.each(onEachNode(CPU_SOURCES))('the .cpuprofile of $source, Node $node', ({ source, node }) => {
  const recorded = recording(source, node);
  const replayed = async (): Promise<Required<Profiler.Profile>> =>
    JSON.parse((await replayCpu(source, recorded)).devTools) as Required<Profiler.Profile>;

  it('has all hits of V8, the idle ones too, by function', async () => {
    const { nodes } = await replayed();
    const raw = rawHits(source, recorded);
    for (const name of ['hotA', 'hotB', 'spend', 'blocks', '(idle)']) {
      const hits = sumOf(raw, (one) => (one.name === name ? one.hits : 0));
      const own = nodes.filter(({ callFrame }) => callFrame.functionName === name);
      expect([name, sumOf(own, ({ hitCount }) => hitCount!)]).toEqual([name, hits]);
    }
  });

  it('has as many hits at lines of TypeScript as a function has in all', async () => {
    const { nodes } = await replayed();
    const hotA = nodes.filter(({ callFrame }) => callFrame.functionName === 'hotA');
    const ticks = hotA.flatMap(({ positionTicks = [] }) => positionTicks);
    expect(sumOf(ticks, (one) => one.ticks)).toBe(sumOf(hotA, ({ hitCount }) => hitCount!));
    const loop = lineWith('main.ts', '% 1021');
    expect(ticks.map(({ line }) => line).filter((line) => line < loop - 2 || line > loop + 1)).toEqual([]);
    expect(ticks.map(({ line }) => line)).toContain(loop);
  });
});

describe.each(onEachNode(['inspector-cpu']))(
  'the .cpuprofile of the inspector, Node $node',
  ({ source, node }) => {
    it('has each sample at its time, in its function', async () => {
      const { profile: v8 } = recording(source, node);
      const profile = JSON.parse(
        (await replayCpu(source, recording(source, node))).devTools,
      ) as Profiler.Profile;
      const { startTime, endTime, timeDeltas } = profile;
      expect({ startTime, endTime, timeDeltas }).toEqual({
        startTime: v8.startTime,
        endTime: v8.endTime,
        timeDeltas: v8.timeDeltas,
      });
      expect(namesOf(profile).map(bareName)).toEqual(namesOf(v8).map(bareName));
    });
  },
);

describe.each(onEachNode(HEAP_SOURCES))('the .heapprofile of $source, Node $node', ({ source, node }) => {
  it('has the bytes of each function, as samples and as nodes', async () => {
    const recorded = recording(source, node);
    const { head, samples } = JSON.parse((await replayHeap(source, recorded)).devTools) as HeapProfile;
    const raw = rawObjects(source, recorded);
    const bytes = sumOf(raw, (one) => one.bytes);
    expect(sumOf(samples, ({ size }) => size)).toBe(bytes);
    const nodes = [...nodesUnder(head)];
    expect(sumOf(nodes, ({ selfSize }) => selfSize)).toBe(bytes);
    const own = nodes.filter(({ callFrame }) => callFrame.functionName === 'from');
    expect(sumOf(own, ({ selfSize }) => selfSize)).toBe(
      sumOf(raw, (one) => (one.name === 'from' ? one.bytes : 0)),
    );
  });
});

type HeapNode = SamplingHeapProfile['head'] & {
  readonly selfSize: number;
  readonly children: readonly HeapNode[];
};

interface HeapProfile extends SamplingHeapProfile {
  readonly head: HeapNode;
}

function* nodesUnder(node: HeapNode): Generator<HeapNode> {
  yield node;
  for (const child of node.children) yield* nodesUnder(child);
}

/** The function of each sample. */
function namesOf({ nodes, samples = [] }: Profiler.Profile): string[] {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, callFrame.functionName]));
  return samples.map((id) => names.get(id)!);
}

/** As V8 has it: without a class, and empty for an anonymous function. */
function bareName(name: string): string {
  return name.replace(/^\w+\.|^\(anonymous.*/, '');
}
