import { describe, expect, it } from '@jest/globals';
import { finished } from './finished.js';
import { cpuProfileText, type DevToolsCpuSamples, heapProfileText } from './devtools.js';
import type { PlaceInCode } from './builder.js';

const place = (functionName: string, line: number, startLine = line): PlaceInCode => ({
  address: 1,
  functionName,
  filename: functionName.startsWith('(') ? '' : '/app/main.ts',
  startLine,
  line,
  column: 0,
});

/** main calls work, in which two lines were hit, and is called by itself. */
const PLACES = [
  place('main', 10),
  place('work', 21, 20),
  place('work', 22, 20),
  place('(idle)', 0),
  place('ma"in\\\u2028', 1),
];
const TREE = { frameOf: [0, 1, 2, 0, 3, 4], parentOf: [-1, 0, 0, 1, -1, -1] };
const SAMPLES: DevToolsCpuSamples = {
  tree: TREE,
  hits: [1, 3, 2, 0, 4, 1],
  nanos: [1e6, 3e6, 2e6, 0, 4e6, 1e6],
  durationNanos: 11_000_400,
};

interface Node {
  id: number;
  callFrame: { functionName: string; url: string; lineNumber: number };
  hitCount: number;
  children: number[];
  positionTicks?: object[];
}

function read<T>(text: Generator<void, string[]>): T {
  return JSON.parse(finished(text).join('')) as T;
}

describe('a .cpuprofile', () => {
  const profile = read<{ nodes: Node[]; samples: number[]; timeDeltas: number[]; startTime: number }>(
    cpuProfileText(SAMPLES, PLACES),
  );
  const node = (name: string): Node =>
    profile.nodes.find(({ callFrame }) => callFrame.functionName === name)!;

  it('has one node per function and caller, with a tick for each of its lines', () => {
    expect(profile.nodes.map(({ callFrame }) => callFrame.functionName).toSorted()).toEqual(
      ['(root)', 'main', 'main', 'work', '(idle)', 'ma"in\\\u2028'].toSorted(),
    );
    expect(node('work')).toMatchObject({
      callFrame: {
        functionName: 'work',
        scriptId: '0',
        url: '/app/main.ts',
        lineNumber: 19,
        columnNumber: -1,
      },
      hitCount: 5,
      positionTicks: [
        { line: 21, ticks: 3 },
        { line: 22, ticks: 2 },
      ],
    });
    expect(node('(idle)')).not.toHaveProperty('positionTicks');
    expect(node('main').children).toEqual([node('work').id]);
  });

  it('lists the samples of a node consecutively when their times are unknown', () => {
    const names = profile.samples.map(
      (id) => profile.nodes.find((one) => one.id === id)!.callFrame.functionName,
    );
    expect(names).toEqual([
      'main',
      ...Array.from({ length: 5 }, () => 'work'),
      ...Array.from({ length: 4 }, () => '(idle)'),
      'ma"in\\\u2028',
    ]);
    expect(profile.timeDeltas).toEqual(Array.from({ length: 11 }, () => 1000));
    expect(profile).toMatchObject({ startTime: 0, endTime: 11_000 });
  });

  it('lists samples in order of time when the sampler knows it', () => {
    const timeline = { startMicros: 500, nodes: [0, 2, 4, -1, 1], deltasMicros: [10, 20, 30, 40, 50] };
    const timed = read<typeof profile>(cpuProfileText({ ...SAMPLES, timeline }, PLACES));
    const { id: root } = timed.nodes[0]!;
    const idOf = (name: string): number =>
      timed.nodes.find(({ callFrame }) => callFrame.functionName === name)!.id;
    expect(timed).toMatchObject({
      startTime: 500,
      endTime: 11_500,
      samples: [idOf('main'), idOf('work'), idOf('(idle)'), root, idOf('work')],
      timeDeltas: [10, 20, 30, 40, 50],
    });
  });

  it('of no samples has only a root', () => {
    const nothing = { tree: { frameOf: [], parentOf: [] }, hits: [], nanos: [], durationNanos: 0 };
    expect(read(cpuProfileText(nothing, []))).toMatchObject({
      nodes: [{ callFrame: { functionName: '(root)' }, hitCount: 0, children: [] }],
      samples: [],
      timeDeltas: [],
    });
  });

  it('is written in pieces, as the same JSON', () => {
    const count = 5000;
    const tree = {
      frameOf: Array.from({ length: count }, (_, i) => i),
      parentOf: Array.from({ length: count }, (_, i) => i - 1), // a stack as deep
    };
    const many = {
      tree,
      hits: tree.frameOf.map(() => 1),
      nanos: tree.frameOf.map(() => 1e6),
      durationNanos: 5e9,
    };
    const places = tree.frameOf.map((i) => place(`f${i}`, i + 1));
    expect([...cpuProfileText(many, places)].length).toBeGreaterThan(10);
    const { nodes, samples } = read<typeof profile>(cpuProfileText(many, places));
    expect(nodes).toHaveLength(count + 1);
    expect(samples).toHaveLength(count);
  });
});

describe('a .heapprofile', () => {
  interface HeapNode {
    id: number;
    selfSize: number;
    callFrame: { functionName: string };
    children: HeapNode[];
  }
  interface HeapProfile {
    head: HeapNode;
    samples: object[];
  }

  it('has the sizes at their nodes', () => {
    const objects = [
      { node: 1, bytes: 1000.4 },
      { node: 2, bytes: 24 },
      { node: 0, bytes: 7 },
    ];
    const { head, samples } = read<HeapProfile>(heapProfileText({ tree: TREE, objects }, PLACES));
    const main = head.children[0]!;
    const work = main.children[0]!;
    expect(head).toMatchObject({ callFrame: { functionName: '(root)' }, selfSize: 0 });
    expect(main).toMatchObject({ callFrame: { functionName: 'main' }, selfSize: 7 });
    expect(work).toMatchObject({ callFrame: { functionName: 'work' }, selfSize: 1024 });
    expect(samples).toEqual([
      { size: 1000, nodeId: work.id, ordinal: 1 },
      { size: 24, nodeId: work.id, ordinal: 2 },
      { size: 7, nodeId: main.id, ordinal: 3 },
    ]);
  });

  it('of no samples has only a root', () => {
    const nothing = { tree: { frameOf: [], parentOf: [] }, objects: [] };
    expect(read(heapProfileText(nothing, []))).toMatchObject({ head: { children: [] }, samples: [] });
  });
});
