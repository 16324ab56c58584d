import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, it } from '@jest/globals';
import { type Collection, CollectionWatch } from '../../src/sampling/collections.js';
import { CpuTimeline, type TimedSample } from '../../src/sampling/cpu-timeline.js';
import type { Sliced } from '../../src/sampling/sampler.js';
import { warmProfiler } from '../../src/sampling/warm-profiler.js';
import { wait } from '../../src/profiling/loop.js';
import { atLeast, claim, within } from './claim.js';

const HZ = 1000;
const INTERVAL = 1e9 / HZ;

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

/** A time, in nanoseconds of `performance.now()`. */
interface Span {
  readonly begin: number;
  readonly end: number;
}

const now = () => performance.now() * 1e6;
const median = (numbers: readonly number[]) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;
const sum = (numbers: readonly number[]) => numbers.reduce((total, one) => total + one, 0);

function run<T>(work: Sliced<T>): T {
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
  }
}

/** Samples while work is done again and again, with pauses in between, for two seconds; and when it was done. */
async function sampled(work: () => void): Promise<{ samples: TimedSample[]; spans: Span[] }> {
  const member = warmProfiler.join();
  try {
    const timeline = new CpuTimeline({ hz: HZ, pastSeconds: 0 }, undefined);
    const samples: TimedSample[] = [];
    const spans: Span[] = [];
    for (const until = now() + 2e9; now() < until;) {
      const begin = now();
      work();
      spans.push({ begin, end: now() });
      await wait(3);
      samples.push(...run(timeline.take()));
    }
    samples.push(...run(timeline.stop()));
    return { samples, spans };
  } finally {
    member.leave();
  }
}

/** The part of samples that lie in one of the spans. */
function partIn(samples: readonly TimedSample[], spans: readonly Span[], tolerance = 0): number {
  const isIn = ({ time }: TimedSample) =>
    spans.some(({ begin, end }) => time >= begin - tolerance && time <= end + tolerance);
  return samples.filter(isIn).length / samples.length;
}

function burn(): void {
  for (const until = now() + 7e6; now() < until;);
}

const has = (name: string) => (sample: TimedSample) =>
  sample.stack.some(({ functionName }) => functionName === name);

describe('CPU samples of a trace', () => {
  it('lie in the time of the callback that ran', async () => {
    const { samples, spans } = await sampled(burn);
    const burning = samples.filter(has('burn'));
    const n = burning.length;
    claim(
      'trace: samples of a function lie in its time, by the clock of the trace',
      partIn(burning, spans),
      atLeast(1, n),
    );
    // Where V8 finds no frame at a moment such as a call, it tells another stack.
    const code = samples.filter(({ stack }) => !stack[0]!.functionName.startsWith('('));
    const inside = code.filter((one) => partIn([one], spans, -INTERVAL / 10) === 1);
    const part = inside.filter(has('burn')).length / inside.length;
    claim(
      'trace: samples in the time of a function have it in their stack',
      part,
      atLeast(0.95, inside.length),
    );
  });

  it('are of the collector in the time of a collection', async () => {
    const watch = new CollectionWatch();
    const taken: Promise<Collection[]>[] = [];
    const { samples } = await sampled(() => {
      litter();
      taken.push(watch.take());
    });
    const collections = [...(await Promise.all(taken)).flat(), ...(await watch.stop())];
    const sized = collections.filter(({ before, after }) => before !== undefined && after !== undefined);
    const words = 'trace: collections have their sizes, also if they are asked for again and again';
    claim(words, sized.length / collections.length, atLeast(0.95));
    const inside = samples.filter((one) => partIn([one], collections, -INTERVAL / 10) === 1);
    const collecting = inside.filter(({ stack }) => stack[0]!.functionName === '(garbage collector)');
    const n = inside.length;
    // V8 is in other states at times, in Node 26 for a twentieth of it.
    claim('trace: samples in a collection are of the collector', collecting.length / n, atLeast(0.8, n));
  });
});

function litter(): void {
  let kept: object[] = [];
  for (let i = 0; i < 100_000; i++) {
    kept.push({ i });
    if (kept.length > 20_000) kept = [];
  }
}

describe('collections of a trace', () => {
  it('are when they are, and have the size of the heap before and after', async () => {
    const parts: number[] = [];
    const before: number[] = [];
    const after: number[] = [];
    for (let i = 0; i < 9; i++) {
      const watch = new CollectionWatch();
      litter();
      const held = getHeapStatistics().used_heap_size;
      const begin = now();
      gc();
      const end = now();
      const left = getHeapStatistics().used_heap_size;
      const collections = (await watch.stop()).filter((one) => one.begin >= begin && one.end <= end);
      parts.push(sum(collections.map((one) => one.end - one.begin)) / (end - begin));
      before.push(collections[0]!.before! / held);
      after.push(collections.at(-1)!.after! / left);
    }
    claim('trace: a forced collection takes the time of the call', median(parts), within(0.1));
    claim('trace: its size of the heap before', median(before), within(0.01));
    claim('trace: its size of the heap after', median(after), within(0.01));
  });
});
