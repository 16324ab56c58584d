import { Logger } from '@nestjs/common';
import { describe, expect, it, jest } from '@jest/globals';
import { beginCpuCapture } from '../profiling/cpu/cpu-recording.js';
import { ProfilerCollectError } from '../profiling/errors.js';
import { replyOf } from './go-errors.js';

const IN_USE = 'cpu profiling already in use';

describe('replyOf', () => {
  it.each([
    ['already profiling', IN_USE],
    ['CPU profiler is already started.', IN_USE],
    ['Array buffer allocation failed', 'Array buffer allocation failed'],
    ['undefined symbol: _ZN2v8\n  at Object.start', 'undefined symbol: _ZN2v8'],
  ])('has the reason of a CPU sampler that does not start: %j', (message, reason) => {
    const { status, body } = replyOf(failureOf(message), { name: 'profile', peer: '127.0.0.1' });
    expect([status, String(body)]).toEqual([500, `Could not enable CPU profiling: ${reason}\n`]);
  });

  it('logs an error that nobody expects in a line with its causes, and their stacks', () => {
    const logged = jest.spyOn(Logger.prototype, 'error').mockReturnValue();
    const cause = new Error('profile queue cannot be read', { cause: new TypeError('no jobs\n at all') });
    const { status } = replyOf(new ProfilerCollectError(cause), { name: 'queue', peer: '203.0.113.7' });
    replyOf('nonsense', { name: '', peer: 'code' });
    expect(status).toBe(500);
    expect(logged.mock.calls).toEqual([
      [
        'queue for 203.0.113.7: failed (failed to collect profile: profile queue cannot be read: no jobs)',
        expect.stringMatching(/failed to collect profile\n +at .+TypeError: no jobs\n +at all\n +at /s),
      ],
      ['index for code: failed (nonsense)', undefined],
    ]);
    logged.mockRestore();
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
