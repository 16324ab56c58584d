import { describe, expect, it } from '@jest/globals';
import { CallTreeBuilder } from './call-tree-builder.js';
import type { RawFrame } from './sampler.js';

const frame = (functionName: string, line = 1): RawFrame => ({
  functionName,
  url: '/app/main.js',
  scriptId: 7,
  functionLine: 1,
  functionColumn: 1,
  line,
});

describe('CallTreeBuilder', () => {
  it('keeps a frame once, and a node for each time it is asked for one', () => {
    const tree = new CallTreeBuilder();
    const a = tree.node(-1, frame('a'));
    const b = tree.node(a, frame('b'));
    const again = tree.node(a, frame('b'));
    expect(tree.build()).toEqual({
      frames: [frame('a'), frame('b')],
      frameOf: [0, 1, 1],
      parentOf: [-1, a, a],
    });
    expect([a, b, again]).toEqual([0, 1, 2]);
  });

  it('keeps one node for a callee of the same caller', () => {
    const tree = new CallTreeBuilder();
    const a = tree.callee(-1, frame('a'));
    const b = tree.callee(a, frame('b'));
    expect(tree.callee(-1, frame('a'))).toBe(a);
    expect(tree.callee(a, frame('b'))).toBe(b);
    expect(tree.callee(b, frame('b'))).not.toBe(b);
    expect(tree.callee(a, frame('b', 2))).not.toBe(b);
  });

  it.each<[keyof RawFrame, RawFrame]>([
    ['functionName', { ...frame('a'), functionName: 'b' }],
    ['url', { ...frame('a'), url: '/app/other.js' }],
    ['scriptId', { ...frame('a'), scriptId: 8 }],
    ['functionLine', { ...frame('a'), functionLine: 2 }],
    ['functionColumn', { ...frame('a'), functionColumn: 2 }],
    ['line', { ...frame('a'), line: 2 }],
  ])('tells frames apart by their %s', (_, other) => {
    const tree = new CallTreeBuilder();
    tree.node(-1, frame('a'));
    tree.node(-1, other);
    expect(tree.build().frames).toEqual([frame('a'), other]);
  });
});
