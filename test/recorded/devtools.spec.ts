import type { Profiler } from 'node:inspector';
import { describe, expect, it } from '@jest/globals';
import type { SamplingHeapProfile } from '../../src/sampling/heap-samples.js';
import { rawHits, rawObjects, sumOf } from './raw-values.js';
import { CPU_SOURCES, HEAP_SOURCES, lineWith, onEachNode, recording } from './recordings.js';
import { replayCpu, replayHeap } from './replay.js';

describe.each(onEachNode(CPU_SOURCES))('the .cpuprofile of $source, Node $node', ({ source, node }) => {
  const recorded = recording(source, node);
  const replayed = async (): Promise<Required<Profiler.Profile>> =>
    JSON.parse((await replayCpu(source, recorded)).devTools) as Required<Profiler.Profile>;

  it('is a tree of nodes with call frames, hits and ticks, whose samples are its nodes', async () => {
    const { nodes, samples, timeDeltas } = await replayed();
    const ids = new Set(nodes.map(({ id }) => id));
    expect(ids.size).toBe(nodes.length);
    const children = nodes.flatMap((node) => node.children ?? []);
    expect(children.toSorted((a, b) => a - b)).toEqual([...ids].slice(1).toSorted((a, b) => a - b));
    for (const { callFrame, hitCount, positionTicks = [] } of nodes) {
      expect(callFrame).toEqual(CALL_FRAME);
      expect(sumOf(positionTicks, ({ ticks }) => ticks)).toBeLessThanOrEqual(hitCount!);
    }
    expect(samples.filter((id) => !ids.has(id))).toEqual([]);
    expect(timeDeltas.every(Number.isInteger) && timeDeltas.length === samples.length).toBe(true);
  });

  it('has the function names of the pprof format', async () => {
    const { profile, devTools } = await replayCpu(source, recorded);
    const { nodes } = JSON.parse(devTools) as Profiler.Profile;
    const named = nodes
      .filter(({ hitCount }) => hitCount! > 0)
      .map(({ callFrame }) => callFrame.functionName);
    const known = new Set(profile.samples.flatMap(({ stack }) => stack));
    expect(named.filter((name) => !known.has(name) && name !== '(idle)')).toEqual([]);
    expect(named).toContain('CatsService.findOne');
  });

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
    it('has each sample at its time, in its function, but for those of the begin and the end', async () => {
      const { profile: v8, measured } = recording(source, node);
      const profile = JSON.parse(
        (await replayCpu(source, recording(source, node))).devTools,
      ) as Profiler.Profile;
      const { startTime, endTime } = profile;
      expect({ startTime, endTime }).toEqual({ startTime: v8.startTime, endTime: v8.endTime });
      const { micros } = measured!.readings;
      const between = timed(v8).filter(({ time }) => time >= micros[0]! && time <= micros.at(-1)!);
      expect(between.length).toBeGreaterThan(v8.samples!.length - 6);
      expect(timed(profile)).toEqual(between);
    });
  },
);

describe.each(onEachNode(HEAP_SOURCES))('the .heapprofile of $source, Node $node', ({ source, node }) => {
  it('is a tree of nodes with call frames, whose sizes are those of their samples', async () => {
    const { profile, devTools } = await replayHeap(source, recording(source, node));
    const { head, samples } = JSON.parse(devTools) as HeapProfile;
    const nodes = [...nodesUnder(head)];
    expect(new Set(nodes.map(({ id }) => id)).size).toBe(nodes.length);
    expect(new Set(samples.map(({ ordinal }) => ordinal)).size).toBe(samples.length);
    const known = new Set(profile.samples.flatMap(({ stack }) => stack));
    for (const { id, callFrame, selfSize } of nodes) {
      expect(callFrame).toEqual(CALL_FRAME);
      expect(sumOf(samples, ({ nodeId, size }) => (nodeId === id ? size : 0))).toBe(selfSize);
    }
    const named = nodes.filter(({ selfSize }) => selfSize > 0).map(({ callFrame }) => callFrame.functionName);
    expect(named.filter((name) => !known.has(name))).toEqual([]);
    expect(samples.filter(({ nodeId }) => !nodes.some(({ id }) => id === nodeId))).toEqual([]);
  });

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

/** What Chrome's DevTools expect, by the description of their protocol. */
const CALL_FRAME = {
  functionName: expect.any(String),
  scriptId: expect.any(String),
  url: expect.any(String),
  lineNumber: expect.any(Number),
  columnNumber: expect.any(Number),
};

type HeapNode = SamplingHeapProfile['head'] & {
  readonly selfSize: number;
  readonly children: readonly HeapNode[];
};

interface HeapProfile {
  readonly head: HeapNode;
  readonly samples: readonly { readonly nodeId: number; readonly size: number; readonly ordinal: number }[];
}

function* nodesUnder(node: HeapNode): Generator<HeapNode> {
  yield node;
  for (const child of node.children) yield* nodesUnder(child);
}

/** Each sample: when it was, and the function that was innermost. */
function timed({
  nodes,
  samples = [],
  timeDeltas = [],
  startTime,
}: Profiler.Profile): { time: number; name: string | undefined }[] {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, bareName(callFrame.functionName)]));
  let time = startTime;
  return samples.map((id, i) => ({ time: (time += timeDeltas[i]!), name: names.get(id) }));
}

/** As V8 has it: without a class, and empty for an anonymous function. */
function bareName(name: string): string {
  return name.replace(/^\w+\.|^\(anonymous.*/, '');
}
