import { expect, it, jest } from '@jest/globals';
import type { CpuSamples, Sliced } from './sampler.js';

const MS = 1e6;

/** CPU time of the thread, the only one. */
let ownNanos = 0;
const clock = { read: () => ownNanos, close() {} };

/** No time passes: what counts is the CPU time. */
const MICROS = 1000;
jest.spyOn(process.hrtime, 'bigint').mockReturnValue(BigInt(MICROS) * 1000n);

jest.unstable_mockModule('./thread-clock.js', () => ({ processCpuNanos: () => ownNanos }));
jest.unstable_mockModule('./native-threads.js', () => ({ otherNativeThreads: () => [] }));

const { CpuSegment, samplesOf } = await import('./cpu-segment.js');
const { ProcessTimes } = await import('./process-times.js');

/** A segment in which the thread uses 8 ms, and V8 2 ms to end it; nothing is sampled. */
function segment(): InstanceType<typeof CpuSegment> {
  const made = new CpuSegment('a segment', MICROS, true, clock);
  ownNanos += 8 * MS;
  made.end();
  ownNanos += 2 * MS;
  made.take({ nodes: [], startTime: MICROS, endTime: MICROS });
  return made;
}

it('the CPU time of segments leaves out what was used while the profiler was stopped between them', () => {
  const first = segment();
  first.last = new ProcessTimes(clock);
  ownNanos += 100 * MS;
  const segments = [first, segment(), segment()];
  const { apart } = run(samplesOf(segments, first.times, new ProcessTimes(clock)));
  expect(apart).toEqual([
    { names: ['(program)'], nanos: 24 * MS },
    { names: ['(profiler)'], nanos: 6 * MS },
  ]);
});

function run(samples: Sliced<CpuSamples>): CpuSamples {
  for (;;) {
    const step = samples.next();
    if (step.done) return step.value;
  }
}
