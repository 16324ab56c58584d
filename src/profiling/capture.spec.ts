import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { countTurns } from '../../test/support/async.js';
import type { Profile } from '../format/profile.js';
import { type CaptureEvent, Captures, NobodyWaitsError } from './capture.js';
import { CapturedProfile } from './captured-profile.js';
import { ProfilerCanceledError } from './errors.js';
import { HoldMeter } from './loop.js';

const CAPTURED = { longestHoldMs: 3.25 } as CapturedProfile;
const take = (): Promise<CapturedProfile> => Promise.resolve(CAPTURED);
const encode = (): Promise<Buffer> => Promise.resolve(Buffer.alloc(1234));

async function* failingPieces(): AsyncGenerator<Uint8Array, void> {
  yield Buffer.alloc(5);
  throw new Error('the trace cannot be written', { cause: new Error('no memory') });
}

describe('Captures', () => {
  let log: Captures;
  let events: CaptureEvent[];
  const logged = jest.spyOn(Logger.prototype, 'log');

  beforeEach(() => {
    jest.spyOn(performance, 'now').mockReturnValue(3500);
    logged.mockReset();
    log = new Captures({ profileComments: [] });
    events = [];
    log.events.subscribe((event) => events.push(event));
  });
  afterEach(() => void logged.mockReset());

  it('reports a capture by one line and one event', async () => {
    const peer = '203.0.113.7';
    await log.encoded({ profile: 'heap', peer, since: 1000 }, take, encode);
    expect(events).toEqual([
      { profile: 'heap', peer, seconds: 2.5, bytes: 1234, longestHoldMs: 3.25, received: true },
    ]);
    expect(logged.mock.calls).toEqual([
      ['heap for 203.0.113.7: 2.500 s, 1234 bytes, held the event loop for 3.3 ms at most'],
    ]);
  });

  it('leaves out the size of a capture in code', async () => {
    await log.run({ profile: 'profile' }, take);
    expect(logged.mock.calls).toEqual([
      [expect.stringMatching(/^profile for code: 0\.000 s, held the event loop for 3\.3 ms at most$/)],
    ]);
  });

  it('sends an event to all current subscribers', async () => {
    await log.run({ profile: 'heap' }, take);
    const later: CaptureEvent[] = [];
    const subscription = log.events.subscribe((event) => later.push(event));
    await log.run({ profile: 'heap' }, take);
    subscription.unsubscribe();
    await log.run({ profile: 'heap' }, take);
    expect([events.length, later.length]).toEqual([3, 1]);
  });

  it.each([
    [new NobodyWaitsError('the connection was closed'), 'the connection was closed'],
    [new DOMException('This operation was aborted', 'AbortError'), 'This operation was aborted'],
  ])('reports a capture that is canceled, by %s', async (reason, why) => {
    const client = new AbortController();
    const request = { profile: 'heap-delta', peer: '203.0.113.7', since: 1200, signal: client.signal };
    const canceled = (): Promise<never> => {
      client.abort(reason);
      return Promise.reject(new ProfilerCanceledError(client.signal.reason));
    };
    await expect(log.encoded(request, canceled, encode)).rejects.toThrow('context canceled');
    await expect(log.run(request, canceled)).rejects.toThrow('context canceled');
    expect(events.map(({ received, bytes }) => [received, bytes])).toEqual([
      [false, 0],
      [false, undefined],
    ]);
    const line = `heap-delta for 203.0.113.7: canceled after 2.3 s (${why})`;
    expect(logged.mock.calls).toEqual([[line], [line]]);
  });

  it('reports a capture that fails while it is sent by one line with its causes', async () => {
    const failed = jest.spyOn(Logger.prototype, 'error').mockReturnValue();
    const sent: number[] = [];
    const send = async (): Promise<void> => {
      const stream = log.streamed(
        { profile: 'trace', peer: '203.0.113.7' },
        new HoldMeter(),
        failingPieces(),
      );
      for await (const piece of stream) sent.push(piece.length);
    };
    await expect(send()).rejects.toThrow('the trace cannot be written');
    expect(sent).toEqual([5]);
    expect(events).toMatchObject([{ profile: 'trace', bytes: 5, received: false }]);
    expect([failed.mock.calls, logged.mock.calls]).toEqual([
      [['trace for 203.0.113.7: failed after 0.0 s (the trace cannot be written: no memory)']],
      [],
    ]);
    failed.mockRestore();
  });

  it('reports no other capture that failed: whoever receives the error does', async () => {
    const failing = log.run({ profile: 'heap' }, () => Promise.reject(new Error('no')));
    await expect(failing).rejects.toThrow('no');
    expect([events, logged.mock.calls]).toEqual([[], []]);
  });

  it('takes no events from subscribers', () => {
    expect(log.events).not.toHaveProperty('next');
  });
});

describe('CapturedProfile', () => {
  afterEach(() => void jest.restoreAllMocks());

  it('lets the event loop turn between any two pieces of a text when it measures and when it writes them', async () => {
    const pieces = Array.from({ length: 50 }, (_, i) => `${i} ä\n`);
    const dump = function* (): Generator<void, string[]> {
      yield;
      return pieces;
    };
    const captured = new CapturedProfile('goroutine', {} as Profile, new HoldMeter(), { dump });
    let now = 0;
    jest.spyOn(performance, 'now').mockImplementation(() => (now += 4)); // each step fills a slice
    const loop = countTurns();
    const text = await captured.encodeText(2);
    loop.stop();
    expect(text.toString()).toBe(pieces.join(''));
    expect(loop.turns).toBeGreaterThanOrEqual(2 * pieces.length);
  });
});
