import { NO_TEXT, type Numbers } from './merge-places.js';
import type { Profile } from './profile.js';
import { RowSet } from './row-set.js';

/** Samples between two yields. */
const SLICE = 20;

/** The cells of a label; key, text and unit are numbers of texts, and its number takes two. */
export const LABEL = { key: 0, text: 1, number: 2, unit: 4, cells: 5 } as const;

/** The row of a sample without labels. */
const NO_LABELS = 0;

/** Samples of several profiles, each stack with its labels once. */
export class SampleSet {
  /** Rows of locations, by their numbers. */
  readonly stacks: RowSet;
  /** Rows of {@link LABEL}s in the order of {@link sorted}. */
  readonly labels: RowSet;
  readonly values: Float64Array;
  /** Rows of a stack and labels. */
  private readonly samples: RowSet;

  /** @param profiles those whose samples will be added */
  constructor(
    profiles: readonly Profile[],
    private readonly width: number,
  ) {
    const total = (count: (profile: Profile) => number): number =>
      profiles.reduce((sum, profile) => sum + count(profile), 0);
    const samples = total((profile) => profile.samples.length);
    const labels = total((profile) => profile.samples.labelKey.length);
    this.stacks = new RowSet(
      samples,
      total((profile) => profile.samples.stack.length),
    );
    this.labels = new RowSet(Math.min(samples, labels) + 1, labels * LABEL.cells);
    this.samples = new RowSet(samples, samples * 2);
    this.values = new Float64Array(samples * width);
    this.labels.close(); // NO_LABELS
  }

  get length(): number {
    return this.samples.length;
  }

  *add(numbers: Numbers): Generator<void, void> {
    const { values, width, samples } = this;
    const { length, values: added } = numbers.profile.samples;
    for (let i = 0; i < length; i++) {
      if (i % SLICE === SLICE - 1) yield;
      samples.push(this.addStack(numbers, i));
      samples.push(this.addLabels(numbers, i));
      const sample = samples.close();
      for (let value = 0; value < width; value++)
        values[sample * width + value]! += added[i * width + value]!;
    }
  }

  /** The row in {@link stacks}. */
  stackOf(sample: number): number {
    return this.samples.cells[sample * 2]!;
  }

  /** The row in {@link labels}. */
  labelsOf(sample: number): number {
    return this.samples.cells[sample * 2 + 1]!;
  }

  isZero(sample: number): boolean {
    const { values, width } = this;
    for (let i = sample * width; i < (sample + 1) * width; i++) if (values[i] !== 0) return false;
    return true;
  }

  private addStack({ profile, locations }: Numbers, sample: number): number {
    const { stacks } = this;
    const { stackStart, stack } = profile.samples;
    stacks.pushNumbers(stack, stackStart[sample]!, stackStart[sample + 1]!, locations);
    return stacks.close();
  }

  private addLabels(numbers: Numbers, sample: number): number {
    const { labelStart, labelKey, labelText, labelNumber, labelUnit } = numbers.profile.samples;
    const [begin, end] = [labelStart[sample]!, labelStart[sample + 1]!];
    if (begin === end) return NO_LABELS;
    const { labels } = this;
    const { texts } = numbers;
    for (const label of sorted(numbers, begin, end)) {
      labels.push(texts[labelKey[label]!]!);
      labels.push(texts[labelText[label]!]!);
      labels.pushWide(labelNumber[label]!);
      labels.push(texts[labelUnit[label]!]!);
    }
    return labels.close();
  }
}

/** The labels of a sample by key; of one key texts come before numbers, and both keep their order. */
function sorted({ profile, texts }: Numbers, begin: number, end: number): number[] {
  const { labelKey, labelText } = profile.samples;
  const rank = (label: number): number =>
    texts[labelKey[label]!]! * 2 + Number(texts[labelText[label]!] === NO_TEXT);
  const order: number[] = [];
  for (let label = begin; label < end; label++) {
    let at = order.length;
    for (; at > 0 && rank(order[at - 1]!) > rank(label); at--) order[at] = order[at - 1]!;
    order[at] = label;
  }
  return order;
}
