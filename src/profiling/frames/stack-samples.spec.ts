import { describe, expect, it } from '@jest/globals';
import { CallTreeBuilder } from '../../sampling/call-tree-builder.js';
import { framesByKey } from './stack-samples.js';

describe('framesByKey', () => {
  it('has the frames of each stack, and yields at least once for 50 of them', () => {
    const tree = new CallTreeBuilder();
    const names = Array.from({ length: 1000 }, (_, i) => `wait${i}`);
    const places = ['main', ...names].map((functionName) => ({
      functionName,
      filename: '/app/a.ts',
      line: 1,
    }));
    const raw = { url: '/app/a.ts', scriptId: 0, functionLine: 0, functionColumn: 0, line: 1 };
    const root = tree.callee(-1, { ...raw, functionName: 'main' });
    const stacks = names.map((functionName) => ({
      at: tree.callee(root, { ...raw, functionName }),
      values: [1],
      labels: {},
    }));
    const samples = names.map((key) => ({ key, stack: [], values: [1] }));
    const work = framesByKey(samples, { tree: tree.build(), places, stacks } as never);
    let yields = 0;
    let step = work.next();
    for (; !step.done; step = work.next()) yields++;
    expect(yields).toBe(20);
    expect([...step.value].map(([key, stack]) => [key, ...stack.map(({ name }) => name)])).toEqual(
      names.map((name) => [name, name, 'main']),
    );
    const mains = new Set([...step.value.values()].map(([, main]) => main));
    expect(mains.size).toBe(1);
  });
});
