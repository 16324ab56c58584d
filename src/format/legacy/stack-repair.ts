/** Repairs of stacks that a signal handler took, as google/pprof does them. */

/** Samples between two yields. */
const SLICE = 200;

/** A sample before its stack is repaired; leaf first. */
export interface CollectedSample {
  count: number;
  readonly stack: number[];
}

/** The leaf comes both from the signal and from unwinding, where it is one less. */
export function dropDoubledLeaf(stack: number[]): void {
  if (stack.length > 1 && stack[0] === stack[1]! + 1) stack.splice(1, 1);
}

/** What is the second frame in nearly all samples is the signal handler's own; there are up to two. */
export function* dropHandlerFrames(samples: readonly CollectedSample[]): Generator<void, void> {
  const enough = samples.length - Math.floor(samples.length / 32);
  for (let round = 0; round < 2; round++) {
    const handler = yield* secondFrameOf(samples, enough);
    if (handler === undefined) return;
    for (const [i, { stack }] of samples.entries()) {
      if (i % SLICE === SLICE - 1) yield;
      if (stack[1] === handler) stack.splice(1, 1);
    }
  }
}

/** The address that is the second one in at least so many samples. */
function* secondFrameOf(
  samples: readonly CollectedSample[],
  enough: number,
): Generator<void, number | undefined> {
  const counts = new Map<number, number>();
  for (const [i, { stack }] of samples.entries()) {
    if (i % SLICE === SLICE - 1) yield;
    if (stack.length > 1) counts.set(stack[1]!, (counts.get(stack[1]!) ?? 0) + 1);
  }
  for (const [address, count] of counts) if (count >= enough) return address;
  return undefined;
}
