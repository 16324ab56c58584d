// Samples as a sampler of ours gives them (src/sampling/sampler.ts), without V8: 100,000 different stacks of 30 frames.

const STACKS = 100_000;
const DEPTH = 30;
const FRAMES = 5000;
const CHAINS = 3000; // of callers, each of which many innermost frames share
const NANOS = 10_000_000;

export function madeUpSamples() {
  const frames = Array.from({ length: FRAMES }, (_, i) => frame(i));
  const frameOf = [];
  const parentOf = [];
  const node = (parent, i) => {
    parentOf.push(parent);
    return frameOf.push(i % FRAMES) - 1;
  };
  const chains = Array.from({ length: CHAINS }, (_, chain) => {
    let last = -1;
    for (let depth = 1; depth < DEPTH; depth++) last = node(last, chain * 31 + depth * 977);
    return last;
  });
  const callers = frameOf.length;
  for (let i = 0; i < STACKS; i++) node(chains[i % CHAINS], i * 7919);
  const isLeaf = (i) => i >= callers;
  return {
    tree: { frames, frameOf, parentOf },
    hits: frameOf.map((_, i) => Number(isLeaf(i))),
    nanos: Float64Array.from(frameOf, (_, i) => (isLeaf(i) ? NANOS : 0)),
    apart: [],
    durationNanos: STACKS * NANOS,
    weighed: 'made up',
  };
}

function frame(i) {
  return {
    functionName: `function${i}`,
    url: `file:///app/dist/service${i % 100}.js`,
    scriptId: 0,
    functionLine: i + 1,
    functionColumn: 3,
    line: i + 2,
  };
}
