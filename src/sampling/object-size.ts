/** V8 aligns objects on the heap to words. */
const WORD = 8;

/**
 * The size of the object behind a heap sample of the inspector.
 *
 * V8 samples an object of size `s` with the probability `1 - exp(-s / rate)` and lets it stand for
 * `round(1 / (1 - exp(-s / rate)))` objects. The inspector tells the product of the two and neither factor, so this
 * looks for a size that gives the product: it is a divisor of it, a multiple of the word, and for small objects
 * not smaller than `bytes - rate`. More than one may fit; the smallest is taken. The result is an estimate.
 *
 * @param bytes size of the sample as the inspector tells it
 * @param rate mean number of bytes between samples
 */
export function likelyObjectSize(bytes: number, rate: number): number {
  const first = Math.max(WORD, Math.ceil(Math.max(bytes - rate, 1) / WORD) * WORD);
  for (let size = first; size <= bytes && size <= rate; size += WORD) {
    if (bytes % size === 0 && size * weightOf(size, rate) === bytes) return size;
  }
  return bytes;
}

/** How many objects of a size one sample stands for, as V8 rounds it. */
function weightOf(size: number, rate: number): number {
  return Math.floor(1 / (1 - Math.exp(-size / rate)) + 0.5);
}
