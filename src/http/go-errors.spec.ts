import { describe, expect, it } from '@jest/globals';
import { beginCpuCapture } from '../profiling/cpu/cpu-recording.js';
import { replyOf } from './go-errors.js';

const IN_USE = 'cpu profiling already in use';

describe('replyOf', () => {
  it.each([
    ['already profiling', IN_USE],
    ['CPU profiler is already started.', IN_USE],
    ['Array buffer allocation failed', 'Array buffer allocation failed'],
    ['undefined symbol: _ZN2v8\n  at Object.start', 'undefined symbol: _ZN2v8'],
  ])('has the reason of a CPU sampler that does not start: %j', (message, reason) => {
    const { status, body } = replyOf(failureOf(message));
    expect([status, String(body)]).toEqual([500, `Could not enable CPU profiling: ${reason}\n`]);
  });
});

/** What beginning a capture throws if its sampler throws this. */
function failureOf(message: string): unknown {
  const start = (): never => {
    throw new Error(message);
  };
  try {
    return beginCpuCapture({ name: 'pprof', start }, 100);
  } catch (error) {
    return error;
  }
}
