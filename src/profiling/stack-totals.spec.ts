import { describe, expect, it } from '@jest/globals';
import type { CallStack } from '../sampling/wait-sample.js';
import { type KeyedSample, StackTotals } from './stack-totals.js';

const stackOf = (name: string): CallStack => ({
  key: name,
  frames: [{ name, filename: '/app/cats.js', line: 1 }],
});

function samplesOf(totals: StackTotals): KeyedSample[] {
  const work = totals.samples();
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
  }
}

describe('totals by stack', () => {
  it('add values of the same stack and labels, and round them when they are read', () => {
    const totals = new StackTotals();
    totals.add(stackOf('a'), [1, 0.4]);
    totals.add(stackOf('a'), [1, 0.4]);
    totals.add(stackOf('a'), [1, 1], { state: 'sleep' });
    totals.add(stackOf('b'), [3, 4]);
    expect(
      samplesOf(totals).map(({ key, stack, values, labels }) => [key, stack![0], values, labels]),
    ).toEqual([
      ['a', stackOf('a').frames[0], [2, 1], {}],
      ['a', stackOf('a').frames[0], [1, 1], { state: 'sleep' }],
      ['b', stackOf('b').frames[0], [3, 4], {}],
    ]);
    expect(totals.comments).toEqual([]);
  });

  it('keep 10,000 stacks, and count further ones together', () => {
    const totals = new StackTotals();
    for (let i = 0; i < 10_002; i++) totals.add(stackOf(`f${i}`), [1]);
    totals.add(stackOf('f0'), [1]);
    const samples = samplesOf(totals);
    expect([samples.length, samples[0]!.values, samples.at(-1)]).toEqual([
      10_001,
      [2],
      {
        key: '(other stacks)',
        stack: [{ name: '(other stacks)', filename: '', line: 0 }],
        values: [2],
        labels: {},
      },
    ]);
    expect(totals.comments).toEqual(['more than 10000 stacks: the others are counted as (other stacks)']);
  });
});
