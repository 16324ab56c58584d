import { describe, expect, it } from '@jest/globals';
import { callSites } from './call-stack.js';
import { namedFrame, type RawFrame } from './sampler.js';
import { StackTable } from './stack-table.js';

const frame = (functionName: string, more: Partial<RawFrame> = {}): RawFrame => ({
  ...namedFrame(functionName),
  url: 'file:///app/cats.js',
  line: 1,
  ...more,
});

describe('StackTable', () => {
  it('gives the same array for the same stack, whoever made it', () => {
    const table = new StackTable();
    const stack = table.of([frame('find'), frame('main')]);
    expect(table.of([frame('find'), frame('main')])).toBe(stack);
    expect(stack.map(({ functionName }) => functionName)).toEqual(['find', 'main']);
  });

  it.each([
    ['a function', [frame('findAll'), frame('main')]],
    ['a class', [frame('find', { className: 'Cats' }), frame('main')]],
    ['a file', [frame('find', { url: 'file:///app/dogs.js' }), frame('main')]],
    ['a script', [frame('find', { scriptId: 4 }), frame('main')]],
    ['a line', [frame('find', { line: 2 }), frame('main')]],
    ['a column, as functions of a bundle are', [frame('find', { functionColumn: 21 }), frame('main')]],
    ['a caller', [frame('find')]],
    ['an order', [frame('main'), frame('find')]],
  ])('tells stacks apart by %s', (_, other) => {
    const table = new StackTable();
    const stack = table.of([frame('find'), frame('main')]);
    expect(table.of(other)).not.toBe(stack);
  });

  it('keeps no call site: these hold on to objects', () => {
    const table = new StackTable();
    const take = (): readonly RawFrame[] => table.ofSites(callSites(take));
    const [first, second] = [1, 2].map(take);
    expect(second).toBe(first);
    expect(Object.values(first![0]!).every((value) => typeof value !== 'object')).toBe(true);
  });

  it('is bounded: it forgets all of them together', () => {
    const table = new StackTable();
    const first = table.of([frame('f0')]);
    for (let i = 1; i < 20_000; i++) table.of([frame(`f${i}`)]);
    expect(table.of([frame('f0')])).toBe(first);
    table.of([frame('one more')]);
    const anew = table.of([frame('f0')]);
    expect(anew).not.toBe(first);
    expect(anew).toEqual(first);
    expect(table.of([frame('f0')])).toBe(anew);
  });
});
