/**
 * The rate of V8's heap sampler, read off its samples. There is one sampler, whoever started it (`--heap-prof`, DevTools,
 * an agent) chose its rate, and V8 does not tell it. But each sample stands for as many objects as follow from its size
 * and the rate, `round(n / (1 - exp(-size / rate)))`, so a foreign rate shows.
 */

/** Objects of one size from one place, as `pprof` tells them. */
interface SizeAndCount {
  readonly sizeBytes: number;
  readonly count: number;
}

/** Below, the rounding of a count blurs the rate. */
const LEAST_COUNT = 16;

/** The share of samples that fit a rate if it is theirs; of twice the rate about half fit by chance. */
const FITTING = 0.9;

/** So many samples tell a rate, if none contradicts. */
const ENOUGH = 8;

/**
 * @param asked the rate if nothing speaks against it
 * @returns mean number of bytes between two samples
 */
export function rateOfCounts(allocations: readonly SizeAndCount[], asked: number): number {
  const telling = allocations.filter(({ count }) => count >= LEAST_COUNT);
  const fitting = telling.filter((allocation) => fits(allocation, asked)).length;
  return fitting >= telling.length * FITTING ? asked : rateOf(telling.map(rateForOne), asked);
}

/**
 * The same from the products of size and number, which is all that the inspector tells.
 *
 * The product of a small object is little more than the rate, and none is less.
 */
export function rateOfProducts(products: readonly number[], asked: number): number {
  return rateOf(products, asked);
}

/** @param estimates what each sample says of the rate; some say too much, none too little */
function rateOf(estimates: readonly number[], asked: number): number {
  const found = least(estimates);
  const isLower = found < asked * 0.9;
  const isHigher = found > asked * 1.1 && estimates.length >= ENOUGH;
  return isLower || isHigher ? nice(found) : asked;
}

/** Whether a whole number of samples gives that count. */
function fits({ sizeBytes, count }: SizeAndCount, rate: number): boolean {
  const each = 1 / (1 - Math.exp(-sizeBytes / rate));
  const samples = Math.round(count / each);
  return samples >= 1 && Math.abs(count - samples * each) <= 0.51;
}

/** The rate at which one sample gives that count. */
function rateForOne({ sizeBytes, count }: SizeAndCount): number {
  return -sizeBytes / Math.log(1 - 1 / count);
}

/** A rate that is nearly a power of two is that. */
function nice(rate: number): number {
  const power = 2 ** Math.round(Math.log2(rate));
  return Math.abs(rate / power - 1) < 0.05 ? power : Math.round(rate);
}

function least(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
}
