import { namedFrame, type RawFrame } from '../sampling/sampler.js';
import type { CountedStack } from './profile-maker.js';

/** Go's, of `block` and `mutex`. */
export const DELAY_TYPES = [
  { type: 'contentions', unit: 'count' },
  { type: 'delay', unit: 'nanoseconds' },
];

/** Stacks that are told apart. */
const MOST_STACKS = 20_000;

interface Total {
  count: number;
  nanos: number;
}

/** How often something happened at a stack since the start, and for how long. */
export class DelayTotals {
  private readonly byStack = new Map<readonly RawFrame[], Total>();

  /** @param stack the same array for the same stack */
  add(stack: readonly RawFrame[], count: number, nanos: number): void {
    const total = this.byStack.get(stack) ?? this.newTotal(stack);
    total.count += count;
    total.nanos += nanos;
  }

  *stacks(): Generator<CountedStack, void> {
    for (const [stack, { count, nanos }] of this.byStack) yield { stack, values: [count, nanos] };
  }

  private newTotal(stack: readonly RawFrame[]): Total {
    const key = this.byStack.size < MOST_STACKS ? stack : OTHERS;
    const total = this.byStack.get(key) ?? { count: 0, nanos: 0 };
    this.byStack.set(key, total);
    return total;
  }
}

/** What is beyond the bound. */
const OTHERS: readonly RawFrame[] = [namedFrame('(other stacks)')];
