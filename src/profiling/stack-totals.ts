import type { Labels } from '../format/profile.js';
import type { CallStack } from '../sampling/wait-sample.js';
import type { SourceSample } from './custom/profile-source.js';
import { MAX_STACKS, OTHER_STACKS } from './heap/allocation-totals.js';

/** The stack that counts everything beyond {@link MAX_STACKS}. */
const OTHERS: CallStack = {
  key: OTHER_STACKS,
  frames: [{ name: OTHER_STACKS, filename: '', line: 0 }],
};

/** A sample with the key of its stack. */
export interface KeyedSample extends SourceSample {
  readonly key: string;
}

interface Total {
  readonly stack: CallStack;
  readonly labels: Labels;
  readonly values: number[];
}

/** Sums of values by stack and labels. */
export class StackTotals {
  /** By stack, then by labels. A combined key would be a long string to build for each added value. */
  private readonly totals = new Map<string, Map<string, Total>>();
  private size = 0;

  add(stack: CallStack, values: readonly number[], labels: Labels = {}): void {
    const ofStack = this.totals.get(stack.key) ?? new Map<string, Total>();
    const key = Object.values(labels).join('\0');
    const known = ofStack.get(key);
    if (known) return values.forEach((value, i) => (known.values[i]! += value));
    if (this.size >= MAX_STACKS && stack !== OTHERS) return this.add(OTHERS, values);
    ofStack.set(key, { stack, labels, values: [...values] });
    this.totals.set(stack.key, ofStack);
    this.size++;
  }

  /** One sample for each stack and labels. Yields now and then. */
  *samples(): Generator<void, KeyedSample[]> {
    const samples: KeyedSample[] = [];
    for (const { stack, labels, values } of this.all()) {
      if (samples.length % 1000 === 999) yield;
      samples.push({ key: stack.key, stack: stack.frames, values: values.map(Math.round), labels });
    }
    return samples;
  }

  /** A comment if there were too many stacks. */
  get comments(): string[] {
    return this.totals.has(OTHERS.key)
      ? [`more than ${MAX_STACKS} stacks: the others are counted as ${OTHERS.key}`]
      : [];
  }

  private *all(): Generator<Total, void> {
    for (const ofStack of this.totals.values()) yield* ofStack.values();
  }
}
