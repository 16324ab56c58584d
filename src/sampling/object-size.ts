/** V8 aligns objects on the heap to words. */
const WORD = 8;

/**
 * The size of the object behind a heap sample of the inspector.
 *
 * V8 samples an object of size `s` with the probability `1 - exp(-s / rate)` and lets it stand for
 * `round(1 / (1 - exp(-s / rate)))` objects. The inspector tells the product of the two and neither factor, so this
 * looks for a size that gives the product. More than one may; the smallest is taken, as a guess that is right for a third
 * of all sizes and mostly within a factor of two.
 *
 * @param bytes size of the sample as the inspector tells it
 * @param rate mean number of bytes between samples
 */
export function likelyObjectSize(bytes: number, rate: number): number {
  // The product is rate + size / 2, give or take half a size for the rounding, and a twelfth for large objects.
  const least = Math.max((bytes - rate) * 0.9, WORD);
  for (let size = Math.ceil(least / WORD) * WORD; size <= bytes && size <= rate; size += WORD) {
    if (bytes % size === 0 && size * weightOf(size, rate) === bytes) return size;
  }
  return bytes;
}

/** How many objects of a size one sample stands for, as V8 rounds it. */
export function weightOf(size: number, rate: number): number {
  return Math.floor(exactWeightOf(size, rate) + 0.5);
}

/** The same, not rounded. */
export function exactWeightOf(size: number, rate: number): number {
  return 1 / (1 - Math.exp(-size / rate));
}
