import { describe, expect, it } from '@jest/globals';
import { callStackOf } from './call-stack.js';
import { StackTable } from './stack-table.js';

interface MadeUp {
  readonly file?: string | undefined;
  readonly position?: number;
  readonly line?: number;
  readonly name?: string;
  readonly type?: string;
  readonly isAsync?: boolean;
}

function site(given: MadeUp = {}): NodeJS.CallSite {
  const { position = 10, line = 1, name = 'find', type = 'Object', isAsync = false } = given;
  const file = 'file' in given ? given.file : '/app/cats.js';
  return {
    getScriptNameOrSourceURL: () => file,
    getPosition: () => position,
    getLineNumber: () => line,
    getColumnNumber: () => 5,
    getFunctionName: () => name,
    getTypeName: () => type,
    isAsync: () => isAsync,
  } as unknown as NodeJS.CallSite;
}

describe('a table of stacks', () => {
  it('has the stack of a function that callStackOf has, and the same list for the same stack', () => {
    const table = new StackTable();
    const both = (): unknown[] => [callStackOf(both), table.stackOf(both)];
    const stacks = [1, 2].map(() => both());
    expect(stacks[0]![1]).toEqual(stacks[0]![0]);
    expect(stacks[0]![1]).toBe(stacks[1]![1]);
  });

  it.each([
    ['position', { position: 11, line: 2 }],
    ['file', { file: '/app/dogs.js' }],
    ['class', { type: 'Dogs' }],
    ['being awaited', { isAsync: true }],
  ])('tells stacks apart that differ in the %s of a caller', (_, other) => {
    const table = new StackTable();
    const stacks = [{}, other, {}].map((caller) => table.stackAt([site(), site(caller)]));
    expect(stacks[0]).toBe(stacks[2]);
    expect(stacks[1]).not.toEqual(stacks[0]);
  });

  it('has a stack with code that was compiled at run time', () => {
    const table = new StackTable();
    const stackOf = (): unknown => table.stackOf(stackOf);
    const run = new Function('stackOf', 'return stackOf()') as (f: () => unknown) => unknown;
    expect(run(stackOf)).toEqual(expect.arrayContaining([expect.objectContaining({ filename: '' })]));
  });

  it.each([undefined, '', 'evalmachine.<anonymous>', '/app/named-by-a-variable.js'])(
    'tells functions apart that are at the same place of %j',
    (file) => {
      const table = new StackTable();
      const stacks = ['find', 'save'].map((name) => table.stackAt([site({ file, name })]));
      expect(stacks.map(([frame]) => frame!.name)).toEqual(['find', 'save']);
    },
  );

  it('does not grow without limit', () => {
    const table = new StackTable();
    const first = table.stackAt([site()]);
    for (let position = 0; position < 60_000; position++) table.stackAt([site({ position })]);
    const again = table.stackAt([site()]);
    expect(again).toEqual(first);
    expect(again).not.toBe(first);
  });
});
