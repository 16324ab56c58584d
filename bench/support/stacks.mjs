/** Stacks of indexes of places, no two of them the same; go/encode.go has them too. */
export function stacksOf(samples, depth, places) {
  return Array.from({ length: samples }, (_, i) => {
    const step = 977 + Math.floor(i / places);
    return Array.from({ length: depth }, (_, level) => (i * 31 + level * step) % places);
  });
}
