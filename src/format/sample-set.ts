import { NO_TEXT, type Source } from './merge-places.js';
import type { Profile } from './profile.js';

/** Samples between two yields. */
const SLICE = 200;

const EMPTY = -1;

/**
 * Samples of several profiles, each stack with its labels once: a hash table over flat arrays. A sample is written at
 * the end, and stays only if no earlier one is the same.
 */
export class SampleSet {
  length = 0;
  readonly stackStart: Uint32Array;
  /** Numbers of {@link Places}. */
  readonly stack: Uint32Array;
  readonly values: Float64Array;
  readonly labelStart: Uint32Array;
  /** Numbers of {@link Places}' texts; labels are sorted within a sample. */
  readonly labelKey: Uint32Array;
  readonly labelText: Uint32Array;
  readonly labelNumber: Float64Array;
  readonly labelUnit: Uint32Array;
  private readonly hashes: Int32Array;
  /** By hash the sample, or {@link EMPTY}; twice as many as there can be samples. */
  private readonly slots: Int32Array;

  /** @param profiles those whose samples will be added */
  constructor(
    profiles: readonly Profile[],
    private readonly width: number,
  ) {
    const total = (count: (profile: Profile) => number): number =>
      profiles.reduce((sum, profile) => sum + count(profile), 0);
    const samples = total((profile) => profile.samples.length);
    const labels = total((profile) => profile.samples.labelKey.length);
    this.stackStart = new Uint32Array(samples + 1);
    this.stack = new Uint32Array(total((profile) => profile.samples.stack.length));
    this.values = new Float64Array(samples * width);
    this.labelStart = new Uint32Array(samples + 1);
    this.labelKey = new Uint32Array(labels);
    this.labelText = new Uint32Array(labels);
    this.labelNumber = new Float64Array(labels);
    this.labelUnit = new Uint32Array(labels);
    this.hashes = new Int32Array(samples);
    this.slots = new Int32Array(2 ** Math.ceil(Math.log2(samples * 2 + 1))).fill(EMPTY);
  }

  *add(source: Source): Generator<void, void> {
    const { values, width } = this;
    const { samples } = source.profile;
    for (let i = 0; i < samples.length; i++) {
      if (i % SLICE === SLICE - 1) yield;
      this.writeStack(source, i);
      this.writeLabels(source, i);
      const at = this.sampleLikeTheLast();
      for (let value = 0; value < width; value++) {
        values[at * width + value]! += samples.values[i * width + value]!;
      }
    }
  }

  isZero(sample: number): boolean {
    const { values, width } = this;
    for (let i = sample * width; i < (sample + 1) * width; i++) if (values[i] !== 0) return false;
    return true;
  }

  private writeStack(source: Source, sample: number): void {
    const { stackStart, stack } = source.profile.samples;
    let to = this.stackStart[this.length]!;
    for (let i = stackStart[sample]!; i < stackStart[sample + 1]!; i++)
      this.stack[to++] = source.location(stack[i]!);
    this.stackStart[this.length + 1] = to;
  }

  private writeLabels(source: Source, sample: number): void {
    const { labelStart, labelKey, labelText, labelNumber, labelUnit } = source.profile.samples;
    const begin = this.labelStart[this.length]!;
    let end = begin;
    for (let i = labelStart[sample]!; i < labelStart[sample + 1]!; i++) {
      const key = source.text(labelKey[i]!);
      const text = source.text(labelText[i]!);
      let at = end++;
      for (; at > begin && this.comesAfter(at - 1, key, text); at--) this.moveLabel(at - 1, at);
      this.labelKey[at] = key;
      this.labelText[at] = text;
      this.labelNumber[at] = labelNumber[i]!;
      this.labelUnit[at] = source.text(labelUnit[i]!);
    }
    this.labelStart[this.length + 1] = end;
  }

  /** Of one key texts come before numbers, each in their order, which says nothing across the two. */
  private comesAfter(at: number, key: number, text: number): boolean {
    const other = this.labelKey[at]!;
    return other > key || (other === key && text !== NO_TEXT && this.labelText[at] === NO_TEXT);
  }

  private moveLabel(from: number, to: number): void {
    for (const column of [this.labelKey, this.labelText, this.labelNumber, this.labelUnit]) {
      column[to] = column[from]!;
    }
  }

  /** An earlier sample that is the same as the one just written; or that one, which then stays. */
  private sampleLikeTheLast(): number {
    const last = this.length;
    const hash = this.hashOf(last);
    const mask = this.slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const sample = this.slots[slot]!;
      if (sample === EMPTY) {
        this.slots[slot] = last;
        this.hashes[last] = hash;
        this.length++;
        return last;
      }
      if (this.hashes[sample] === hash && this.areSame(sample, last)) return sample;
    }
  }

  private hashOf(sample: number): number {
    let hash = 0x2545f491;
    for (let i = this.stackStart[sample]!; i < this.stackStart[sample + 1]!; i++)
      hash = mixed(hash, this.stack[i]!);
    for (let i = this.labelStart[sample]!; i < this.labelStart[sample + 1]!; i++) {
      hash = mixed(mixed(mixed(hash, this.labelKey[i]!), this.labelText[i]!), this.labelNumber[i]!);
    }
    return hash ^ (hash >>> 16);
  }

  private areSame(a: number, b: number): boolean {
    return (
      areEqual(this.stack, this.stackStart, a, b) &&
      areEqual(this.labelKey, this.labelStart, a, b) &&
      areEqual(this.labelText, this.labelStart, a, b) &&
      areEqual(this.labelNumber, this.labelStart, a, b) &&
      areEqual(this.labelUnit, this.labelStart, a, b)
    );
  }
}

function mixed(hash: number, value: number): number {
  return Math.imul((hash ^ value) + (hash << 5), 0x9e3779b1);
}

/** Whether two slices of an array are the same. */
function areEqual(array: Uint32Array | Float64Array, starts: Uint32Array, a: number, b: number): boolean {
  const length = starts[a + 1]! - starts[a]!;
  if (starts[b + 1]! - starts[b]! !== length) return false;
  for (let i = 0, atA = starts[a]!, atB = starts[b]!; i < length; i++) {
    if (array[atA + i] !== array[atB + i]) return false;
  }
  return true;
}
