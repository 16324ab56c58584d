/*
 * How `npm run test:truth` judges a number.
 *
 * A sampler sees a part of what happens, so what it reports varies by chance, and how much is known: the standard
 * deviation follows from the number of samples. A claim states what is expected, what was measured, and how many
 * samples n are behind it. Its bound is computed from these, and is five standard deviations wide: chance alone exceeds
 * that once in two million claims, so a claim outside of its bound is a defect and no accident.
 *
 * - `share(p, n)`: a share p of n samples has a standard deviation of sqrt(p (1 - p) / n).
 * - `sampledSize(held)`: V8 samples an object of size s with the probability q = 1 - exp(-s / rate). Of N objects
 *   n = N q are sampled on average, and their total has a relative standard deviation of sqrt((1 - q) / n), which is
 *   1 / sqrt(n) for small objects. Where V8 rounds the weight of each sample, the exact effect is added.
 * - `within`, `atLeast`, `atMost`: two things measured in the same run, of which one must follow the other. The
 *   bound is stated, and a comment at the claim says what it allows for.
 *
 * A known systematic effect may be added as a `floor`; a comment at the claim names it. A bound that is too wide to mean
 * anything fails its claim: the workload has to be larger, not the bound wider.
 *
 * Every claim is a row of the table that is printed at the end of the run, also if it fails. A test fails after its last
 * claim, so that one miss hides no other.
 */
import { appendFileSync } from 'node:fs';
import { afterEach } from '@jest/globals';

const STANDARD_DEVIATIONS = 5;

/** A relative bound beyond half of what is expected says nothing. */
const WIDEST = 0.5;

/** What a measured value is compared with. All values are parts of a whole, which the table shows in percent. */
export interface Bound {
  readonly low: number;
  readonly high: number;
  readonly text: string;
  /** Number of samples behind the measured value, if it is sampled. */
  readonly n?: number;
  readonly hasTooFewSamples?: boolean;
}

/** A row of the table. */
export interface Row {
  readonly claim: string;
  readonly measured: string;
  readonly bound: string;
  readonly n: string;
  readonly holds: boolean;
}

let failures: string[] = [];

afterEach(() => {
  const failed = failures;
  failures = [];
  if (failed.length > 0) throw new Error(failed.join('\n'));
});

/**
 * Compares a measured value with its bound.
 *
 * @param words the claim as a sentence that can be understood in the table alone
 */
export function claim(words: string, measured: number, bound: Bound): void {
  const { low, high, n, text, hasTooFewSamples = false } = bound;
  const holds = measured >= low && measured <= high && !hasTooFewSamples;
  const note = hasTooFewSamples ? `${text}: too few samples to mean anything` : text;
  const row: Row = {
    claim: words,
    measured: percent(measured),
    bound: note,
    n: n === undefined ? '' : `${Math.round(n)}`,
    holds,
  };
  const { TRUTH_ROWS } = process.env;
  if (TRUTH_ROWS) appendFileSync(TRUTH_ROWS, `${JSON.stringify(row)}\n`);
  if (!holds) failures.push(`${words}: measured ${row.measured}, bound ${note}${row.n && `, n = ${row.n}`}`);
}

/** A share p of n samples. */
export function share(p: number, n: number, floor = 0): Bound {
  const chance = STANDARD_DEVIATIONS * Math.sqrt((p * (1 - p)) / n);
  return around(p, chance + floor, n, !(chance <= WIDEST * Math.min(p, 1 - p)));
}

/** Objects of the same size that are alive, and how V8 samples them. */
export interface SampledObjects {
  readonly count: number;
  /** Of one object, in bytes. */
  readonly size: number;
  /** Mean number of bytes between two samples. */
  readonly rate: number;
  /** V8 rounds the weight of each sample for the inspector, and only that of all together for `pprof`. */
  readonly sampler: string;
}

/** The measured size or number of objects as a part of the real one. */
export function sampledSize({ count, size, rate, sampler }: SampledObjects): Bound {
  const probability = 1 - Math.exp(-size / rate);
  const n = count * probability;
  const rounding = sampler === 'inspector' ? Math.abs(Math.round(1 / probability) * probability - 1) : 0;
  const chance = STANDARD_DEVIATIONS * Math.sqrt((1 - probability) / n);
  return around(1, chance + rounding, n, !(chance <= WIDEST));
}

/** A value that must equal another one of the same run but for a stated part. */
export function within(tolerance: number, n?: number): Bound {
  return around(1, tolerance, n);
}

export function atLeast(low: number, n?: number): Bound {
  return { low, high: Number.POSITIVE_INFINITY, text: `≥ ${percent(low)}`, n };
}

export function atMost(high: number, n?: number): Bound {
  return { low: Number.NEGATIVE_INFINITY, high, text: `≤ ${percent(high)}`, n };
}

function around(expected: number, bound: number, n: number | undefined, hasTooFewSamples = false): Bound {
  const text = `${percent(expected)} ± ${percent(bound)}`;
  return { low: expected - bound, high: expected + bound, text, n, hasTooFewSamples };
}

function percent(part: number): string {
  return `${(100 * part).toFixed(Math.abs(part) < 0.01 ? 3 : 1)} %`;
}
