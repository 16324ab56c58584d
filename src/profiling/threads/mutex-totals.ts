import { CallTreeBuilder } from '../../sampling/call-tree-builder.js';
import type { CallTree, HoldShare, RawFrame } from '../../sampling/sampler.js';
import type { WeighedStack } from '../frames/frame-resolver.js';
import { MAX_STACKS, OTHER_STACKS } from '../heap/allocation-totals.js';

/** Number of holds so far, and their total length in nanoseconds. */
type Values = [contentions: number, nanos: number];

/** All holds so far, by stack. Stacks after the first {@link MAX_STACKS} are counted together. */
export class MutexTotals {
  private readonly tree = new CallTreeBuilder();
  private readonly byNode = new Map<number, Values>();
  private readonly others: Values = [0, 0];

  /** Whether some were counted as {@link OTHER_STACKS}. */
  get isFull(): boolean {
    return this.others[1] > 0;
  }

  /** Adds a hold: one contention, at the stack with the largest share. */
  add(shares: readonly HoldShare[]): void {
    const longest = shares.reduce((one, other) => (other.micros > one.micros ? other : one));
    let micros = 0;
    let nanos = 0;
    for (const share of shares) {
      const values = this.valuesAt(share.stack);
      const before = nanos;
      micros += share.micros;
      nanos = Math.round(micros * 1000); // whole numbers that add up to the length of the hold
      values[0] += share === longest ? 1 : 0;
      values[1] += nanos - before;
    }
  }

  /** The current totals. */
  read(): { readonly tree: CallTree; readonly stacks: readonly WeighedStack[] } {
    const { frames, ...tree } = this.tree.build();
    const stacks: WeighedStack[] = [...this.byNode].map(([at, values]) => ({ at, values: [...values] }));
    return {
      tree: { frames: [...frames], ...tree },
      stacks: [...stacks, { at: [OTHER_STACKS], values: [...this.others] }],
    };
  }

  private valuesAt(stack: readonly RawFrame[]): Values {
    const isFull = this.byNode.size >= MAX_STACKS;
    let node: number | undefined = -1;
    for (const frame of stack) {
      node = isFull ? this.tree.find(node, frame) : this.tree.callee(node, frame);
      if (node === undefined) return this.others;
    }
    const values: Values | undefined = this.byNode.get(node);
    if (values) return values;
    if (isFull) return this.others;
    const none: Values = [0, 0];
    this.byNode.set(node, none);
    return none;
  }
}
